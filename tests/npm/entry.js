// What the pages use of Vega; `make vega` bundles it.
export {parse, View} from "vega";
export {compile} from "vega-lite";
export {expressionInterpreter} from "vega-interpreter";
