/** The `tf` dialect: what is known of TensorFlow's operators, by family. */
import {type Operator, operatorTable} from "../../ir/operators.ts";
import {arrays} from "./arrays.ts";
import {elementwise} from "./elementwise.ts";
import {neural} from "./neural.ts";
import {reduce} from "./reduce.ts";

export const tfOperators: readonly Operator[] = [...arrays, ...elementwise, ...neural, ...reduce];

export const tfTable = operatorTable(tfOperators);
