/**
 * A frozen GraphDef with the structure and size of MobileNetV2 1.0/224 (Sandler et al. 2018, table 2) and random
 * weights: 3.5 million parameters, 14 MB. Benchmarks need its work, not its knowledge.
 */
import {GraphDefWriter} from "./graphdef-writer.ts";

/** Rows of table 2: expansion factor t, output channels c, repeats n, first stride s. */
const bottlenecks: readonly (readonly [t: number, c: number, n: number, s: number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];
const DT_FLOAT = {type: 1};

/** `image` float32 [batch, 224, 224, 3] → `probabilities` float32 [batch, 1000]. Same seed, same bytes. */
export function mobilenetV2(seed = 1): Uint8Array {
  const graph = new GraphDefWriter();
  const random = gaussian(seed);
  const weights = (name: string, shape: readonly number[], fanIn: number): string => {
    const scale = Math.sqrt(2 / fanIn);
    const size = shape.reduce((a, b) => a * b, 1);
    return graph.constant(
      name,
      Float32Array.from({length: size}, () => random() * scale),
      shape,
    );
  };
  const batchNorm = (name: string, input: string, channels: number): string => {
    const parameter = (suffix: string, value: () => number): string =>
      graph.constant(`${name}/${suffix}`, Float32Array.from({length: channels}, value), [channels]);
    return graph.node(
      name,
      "FusedBatchNormV3",
      [
        input,
        parameter("gamma", () => 1 + 0.1 * random()),
        parameter("beta", () => 0.1 * random()),
        parameter("mean", () => 0.1 * random()),
        parameter("variance", () => 1 + 0.1 * Math.abs(random())),
      ],
      {T: DT_FLOAT, U: DT_FLOAT, epsilon: {float: 1e-3}, is_training: {bool: false}},
    );
  };
  const relu6 = (name: string, input: string): string => graph.node(name, "Relu6", [input], {T: DT_FLOAT});
  const window = (stride: number): Record<string, {text: string} | {ints: number[]} | {type: number}> => ({
    T: DT_FLOAT,
    strides: {ints: [1, stride, stride, 1]},
    padding: {text: "SAME"},
  });
  const conv = (name: string, input: string, size: number, cin: number, cout: number, stride: number): string => {
    const filter = weights(`${name}/weights`, [size, size, cin, cout], size * size * cin);
    return batchNorm(`${name}/bn`, graph.node(`${name}/conv`, "Conv2D", [input, filter], window(stride)), cout);
  };
  const depthwise = (name: string, input: string, channels: number, stride: number): string => {
    const filter = weights(`${name}/weights`, [3, 3, channels, 1], 9);
    const output = graph.node(`${name}/conv`, "DepthwiseConv2dNative", [input, filter], window(stride));
    return relu6(`${name}/relu6`, batchNorm(`${name}/bn`, output, channels));
  };

  let x = graph.placeholder("image", [-1, 224, 224, 3]);
  x = relu6("stem/relu6", conv("stem", x, 3, 3, 32, 2));
  let channels = 32;
  bottlenecks.forEach(([t, c, n, s], stage) => {
    for (let i = 0; i < n; i++) {
      const name = `stage${stage}/block${i}`;
      const expanded = channels * t;
      const input = x;
      if (t > 1) x = relu6(`${name}/expand/relu6`, conv(`${name}/expand`, x, 1, channels, expanded, 1));
      x = depthwise(`${name}/depthwise`, x, expanded, i === 0 ? s : 1);
      x = conv(`${name}/project`, x, 1, expanded, c, 1);
      if (i > 0) x = graph.node(`${name}/add`, "AddV2", [input, x], {T: DT_FLOAT});
      channels = c;
    }
  });
  x = relu6("head/relu6", conv("head", x, 1, channels, 1280, 1));
  const axes = graph.constant("pool/axes", Int32Array.of(1, 2), [2]);
  x = graph.node("pool", "Mean", [x, axes], {T: DT_FLOAT, Tidx: {type: 3}, keep_dims: {bool: false}});
  x = graph.node("logits/matmul", "MatMul", [x, weights("logits/weights", [1280, 1000], 1280)], {T: DT_FLOAT});
  x = graph.node("logits", "BiasAdd", [x, graph.constant("logits/bias", new Float32Array(1000), [1000])], {
    T: DT_FLOAT,
  });
  graph.node("probabilities", "Softmax", [x], {T: DT_FLOAT});
  return graph.encode();
}

/** Normally distributed numbers: mulberry32 and the polar method, so that a seed gives the same model everywhere. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => {
    for (;;) {
      const a = 2 * uniform() - 1;
      const b = 2 * uniform() - 1;
      const s = a * a + b * b;
      if (s > 0 && s < 1) return a * Math.sqrt((-2 * Math.log(s)) / s);
    }
  };
}
