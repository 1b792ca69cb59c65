/** Kinds of operators, told by name in every dialect (`Conv2D`, `CONV_2D`, `SeparableConv2D`): they give boxes their colour. */

export type Category = "product" | "activation" | "pool" | "norm" | "move" | "flow" | "port" | "text" | "other";

const rows: readonly (readonly [Category, RegExp])[] = [
  ["port", /^(input|output)$/],
  [
    "flow",
    /^(while|statelesswhile|if|statelessif|case|switch|merge|enter|exit|nextiteration|loopcond|call|callonce|.*partitionedcall|.*lstm.*|.*gru.*|.*rnn.*|bidirectional|timedistributed|tensorlist.*|tensorarray.*)/,
  ],
  ["text", /^(string|regex|decode|encode|parse|lookup|hashtable|static|substr|asstring|unicode)/],
  ["product", /(conv|matmul|dense|fullyconnected|einsum|attention|embedding|gemm)/],
  ["norm", /(norm|scale|dropout|rescaling)/],
  ["pool", /(pool|^mean|^sum|^max$|^min$|^prod|reduce|argm|^any$|^all$|topk|cumsum|nonmaxsuppression)/],
  [
    "activation",
    /(relu|elu|sigmoid|tanh|softmax|softplus|softsign|gelu|swish|silu|mish|activation|logistic|hardswish)/,
  ],
  [
    "move",
    /(reshape|transpose|concat|pack|stack|split|slice|gather|pad|squeeze|expanddims|flatten|permute|tile|broadcast|cast|shape|fill|resize|upsampl|crop|spaceto|depthto|batchto|reverse|select|where|range|repeat|scatter|onehot|size|rank)/,
  ],
];

export function categoryOf(op: string): Category {
  const plain = op.replace(/[_\s]/g, "").toLowerCase();
  return rows.find(([, pattern]) => pattern.test(plain))?.[0] ?? "other";
}
