/** Elements from plain values. Text only ever becomes a text node: what a model calls its nodes can't be markup. */

export type Child = Node | string | undefined;

export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill<T extends Element>(
  element: T,
  attributes: Readonly<Record<string, string | number>>,
  children: readonly Child[],
): T {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

export function button(label: string, title: string, press: () => void, className = ""): HTMLButtonElement {
  const element = html("button", {type: "button", title, "aria-label": title, class: className}, label);
  element.addEventListener("click", press);
  return element;
}
