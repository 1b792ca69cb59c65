/** The `tf` dialect: what is known of TensorFlow's operators, by family. */
import {type Operator, operatorTable} from "../../ir/operators.ts";
import {arrays} from "./arrays.ts";
import {audio} from "./audio.ts";
import {cells} from "./cells.ts";
import {complex} from "./complex.ts";
import {detection} from "./detection.ts";
import {elementwise} from "./elementwise.ts";
import {frontEnds} from "./front-ends.ts";
import {imageOperators} from "./images.ts";
import {linearAlgebra} from "./linear-algebra.ts";
import {lists} from "./lists.ts";
import {neural} from "./neural.ts";
import {patchOperators} from "./patches.ts";
import {quantisation} from "./quantisation.ts";
import {reduce} from "./reduce.ts";
import {resizeOperators} from "./resize.ts";
import {selection} from "./selection.ts";
import {slices} from "./slices.ts";
import {stitching} from "./stitching.ts";
import {withValues} from "./values/index.ts";

const families: readonly Operator[] = [
  ...arrays,
  ...slices,
  ...elementwise,
  ...lists,
  ...neural,
  ...cells,
  ...patchOperators,
  ...resizeOperators,
  ...imageOperators,
  ...detection,
  ...quantisation,
  ...audio,
  ...reduce,
  ...selection,
  ...complex,
  ...frontEnds,
  ...linearAlgebra,
  ...stitching,
];

export const tfOperators: readonly Operator[] = families.map(withValues);

export const tfTable = operatorTable(tfOperators);
