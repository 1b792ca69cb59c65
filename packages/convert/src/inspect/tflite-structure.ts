/** A TensorFlow Lite file: what its tables say, what an engine would refuse, and its subgraphs to look at. */
import {
  admitOperators,
  checkModel,
  declaredShape,
  type Options,
  readModel,
  type Subgraph,
  type TfliteModel,
  type TfliteTensor,
} from "@tf-trusted/tflite";
import {countBy} from "../counts.ts";
import {signatureKey} from "../tflite/emit.ts";
import {type Budget, cut, typeText} from "./graph-view.ts";
import type {
  EdgeView,
  GraphView,
  InspectedModel,
  NodeView,
  PortStructure,
  SignatureStructure,
  UnsupportedStructure,
} from "./structure.ts";

/** Throws `TfliteError` for what isn't one. */
export function inspectTfliteFile(bytes: Uint8Array, budget: Budget | undefined): InspectedModel {
  const model = readModel(bytes);
  const problems = [...checkModel(model), ...admitOperators(model, "wasm")].map(({code, message}) => ({code, message}));
  const operators = model.subgraphs.flatMap((graph) =>
    graph.operators.map((each) => operatorName(model, each.opcodeIndex)),
  );
  const variables = model.subgraphs.flatMap(({tensors}) => tensors.filter(({isVariable}) => isVariable === true));
  const names = graphNames(model);
  const unsupported = model.subgraphs.flatMap((graph, at) => unsupportedIn(model, graph, names[at]!));
  return {
    structure: {
      format: "tflite",
      fileBytes: bytes.length,
      description: model.description,
      signatures: signaturesOf(model),
      metaGraphs: [],
      functions: model.subgraphs.map(({operators: own, inputs, outputs}, at) => ({
        name: names[at]!,
        nodes: own.length,
        inputs: inputs.length,
        outputs: outputs.length,
      })),
      variables: variables.map((tensor) => ({name: tensor.name, dtype: tensor.type, shape: declaredShape(tensor)})),
      layers: [],
      assets: [],
      operators: countBy(operators),
      layerClasses: {},
      controlFlow: countBy(operators.filter((name) => controlFlow.has(name))),
      sizes: {
        nodes: operators.length,
        liveNodes: operators.length,
        constantBytes: model.buffers.reduce((sum, buffer) => sum + buffer.length, 0),
        parameters: 0,
      },
      unsupported,
      cut: null,
      problems,
      notes: [],
    },
    graphs: budget === undefined ? [] : model.subgraphs.map((graph, at) => viewOf(model, graph, names, at, budget)),
  };
}

const controlFlow: ReadonlySet<string> = new Set(["WHILE", "IF", "CALL", "CALL_ONCE"]);

/** Names of signatures, else those of subgraphs, else numbers; each once. */
function graphNames(model: TfliteModel): readonly string[] {
  const taken = new Set<string>();
  return model.subgraphs.map(({name}, at) => {
    const keys = model.signatures.filter(({subgraph}) => subgraph === at).map(({key}) => key);
    const wanted = keys.join(", ") || name || `subgraph ${at}`;
    const own = taken.has(wanted) ? `${wanted} (${at})` : wanted;
    taken.add(own);
    return own;
  });
}

const operatorName = (model: TfliteModel, index: number): string => {
  const code = model.operatorCodes[index];
  if (code === undefined) return "?";
  return code.builtin === "CUSTOM" ? `CUSTOM ${code.customCode ?? ""}`.trim() : code.builtin;
};

function signaturesOf(model: TfliteModel): readonly SignatureStructure[] {
  const [main] = model.subgraphs;
  const stateful =
    model.operatorCodes.some(({builtin}) => statefulOperators.has(builtin)) ||
    model.subgraphs.some(({tensors}) => tensors.some(({isVariable}) => isVariable === true));
  const port = (graph: Subgraph | undefined, name: string, index: number): PortStructure => {
    const tensor = graph?.tensors[index];
    return {
      name,
      dtype: tensor?.type ?? "?",
      shape: tensor === undefined || tensor.hasRank === false ? null : declaredShape(tensor),
      quantized: (tensor?.quantization?.scale.length ?? 0) > 0,
    };
  };
  if (model.signatures.length === 0) {
    const ports = (indices: readonly number[]) =>
      indices.map((index) => port(main, main?.tensors[index]?.name ?? "", index));
    if (main === undefined) return [];
    return [{name: signatureKey, inputs: ports(main.inputs), outputs: ports(main.outputs), stateful}];
  }
  return model.signatures.map(({key, subgraph, inputs, outputs}) => {
    const graph = model.subgraphs[subgraph];
    const ports = (list: typeof inputs) => list.map(({name, tensor}) => port(graph, name, tensor));
    return {name: key, inputs: ports(inputs), outputs: ports(outputs), stateful};
  });
}

const statefulOperators: ReadonlySet<string> = new Set(["VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE"]);

const nodeName = (graph: Subgraph, at: number): string => {
  const {outputs} = graph.operators[at]!;
  return graph.tensors[outputs[0] ?? -1]?.name || `operator ${at}`;
};

/** Operators that the engine has no kernel for, each with what admission says of its code. */
function unsupportedIn(model: TfliteModel, graph: Subgraph, name: string): readonly UnsupportedStructure[] {
  const refused = new Map<number, string>();
  for (const [at, code] of model.operatorCodes.entries()) {
    const alone: TfliteModel = {
      ...model,
      operatorCodes: [code],
      subgraphs: [{...emptyGraph, operators: [{opcodeIndex: 0, inputs: [], outputs: []}]}],
      signatures: [],
    };
    const [finding] = admitOperators(alone, "wasm");
    if (finding !== undefined) refused.set(at, finding.message.replace(/^[A-Z_]+: /, ""));
  }
  return graph.operators.flatMap(({opcodeIndex}, at) => {
    const reason = refused.get(opcodeIndex);
    if (reason === undefined) return [];
    return [{node: `${name}/${nodeName(graph, at)}`, operator: operatorName(model, opcodeIndex), reason}];
  });
}

const emptyGraph: Subgraph = {name: "", tensors: [], inputs: [], outputs: [], operators: []};
const maxListed = 64;
const regionFields = /(subgraph|Subgraph)(Index)?$/;

function viewOf(model: TfliteModel, graph: Subgraph, names: readonly string[], at: number, budget: Budget): GraphView {
  const reasons = new Map(unsupportedIn(model, graph, names[at]!).map(({node, reason}) => [node, reason]));
  const nodes: NodeView[] = [];
  const producers = new Map<number, EdgeView>();
  let leftOut = 0;
  const typeOf = (tensor: TfliteTensor | undefined): string => {
    if (tensor === undefined) return "";
    const text = typeText(tensor.type, tensor.hasRank === false ? undefined : declaredShape(tensor));
    const {scale = [], zeroPoint = []} = tensor.quantization ?? {};
    if (scale.length === 0) return text;
    return scale.length === 1
      ? `${text}, scale ${Number(scale[0]!.toPrecision(4))}, zero ${zeroPoint[0] ?? 0n}`
      : `${text}, ${scale.length} scales`;
  };
  const add = (node: NodeView, outputs: readonly number[]): void => {
    if (budget.nodes <= 0) {
      leftOut++;
      return;
    }
    budget.nodes--;
    outputs.forEach((tensor, output) => {
      producers.set(tensor, {from: nodes.length, ...(output > 0 && {output})});
    });
    nodes.push(node);
  };
  const edge = (tensor: number): EdgeView => {
    const known = producers.get(tensor);
    if (known !== undefined) return known;
    const given = graph.tensors[tensor];
    return {from: -1, label: cut(lastPart(given?.name ?? "")), constant: typeOf(given)};
  };
  for (const index of graph.inputs) {
    const tensor = graph.tensors[index];
    add({name: tensor?.name ?? "", op: "input", inputs: [], outputs: [typeOf(tensor)], attributes: []}, [index]);
  }
  graph.operators.forEach(({opcodeIndex, inputs, outputs, options = {}}, index) => {
    const name = nodeName(graph, index);
    const reason = reasons.get(`${names[at]}/${name}`);
    const graphs = Object.entries(options).flatMap(([field, value]) => {
      const found = typeof value === "number" && regionFields.test(field) ? names[value] : undefined;
      return found === undefined ? [] : [found];
    });
    add(
      {
        name,
        op: operatorName(model, opcodeIndex),
        inputs: inputs
          .filter((tensor) => tensor >= 0)
          .slice(0, maxListed)
          .map(edge),
        outputs: outputs.slice(0, maxListed).map((tensor) => typeOf(graph.tensors[tensor])),
        attributes: optionTexts(options),
        ...(graphs.length > 0 && {graphs}),
        ...(reason !== undefined && {unsupported: reason}),
      },
      outputs,
    );
  });
  for (const index of graph.outputs) {
    const tensor = graph.tensors[index];
    add({name: tensor?.name ?? "", op: "output", inputs: [edge(index)], outputs: [typeOf(tensor)], attributes: []}, []);
  }
  return {name: names[at]!, kind: "subgraph", nodes, leftOut};
}

const lastPart = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

function optionTexts(options: Options): readonly (readonly [string, string])[] {
  return Object.entries(options)
    .slice(0, maxListed)
    .map(([name, value]) => {
      if (value instanceof Uint8Array) return [name, `${value.length} bytes`] as const;
      if (Array.isArray(value))
        return [
          name,
          cut(
            `[${value
              .slice(0, maxListed)
              .map((each) => (typeof each === "object" ? "…" : String(each)))
              .join(", ")}]`,
          ),
        ] as const;
      return [name, typeof value === "object" ? "…" : cut(String(value))] as const;
    });
}
