/** Nodes as a tree of scopes, by the slashes in their names: what is closed is drawn as one box. */
import type {GraphView} from "@tf-trusted/convert";

export interface Leaf {
  readonly kind: "leaf";
  readonly id: string;
  label: string;
  /** Index into the view's nodes. */
  readonly index: number;
  parent: Group;
}

export interface Group {
  readonly kind: "group";
  readonly id: string;
  label: string;
  readonly children: (Leaf | Group)[];
  parent: Group | undefined;
  open: boolean;
  /** Of all nodes below. */
  size: number;
  unsupported: number;
}

export type Item = Leaf | Group;

export interface Scopes {
  readonly root: Group;
  /** By node index. */
  readonly leaves: readonly Leaf[];
}

/** More than these beside each other are put into groups by their order: nobody reads a thousand boxes. */
const mostBeside = 150;
const groupsBeside = 40;
/** How much is opened before anybody clicks; more where else hardly anything would be seen. */
const openAtStart = 60;
const tooFew = 12;
/** How much may be drawn at once. */
export const mostDrawn = 300;

export function buildScopes({nodes}: GraphView): Scopes {
  const root = newGroup("", "", undefined);
  const byPath = new Map<string, Group>([["", root]]);
  const leaves = nodes.map((node, index): Leaf => {
    const isPort = node.op === "input" || node.op === "output";
    // TensorFlow Lite joins the names of what was fused.
    const parts = isPort ? [node.name] : node.name.split(";", 1)[0]!.split("/");
    let parent = root;
    // Deeper scopes than these are of a name that means no scopes.
    for (let depth = 1; depth < Math.min(parts.length, 24); depth++) {
      const path = parts.slice(0, depth).join("/");
      let group = byPath.get(path);
      if (group === undefined) {
        group = newGroup(`scope ${path}`, parts[depth - 1]!, parent);
        byPath.set(path, group);
        parent.children.push(group);
      }
      parent = group;
    }
    const label = isPort ? node.name : parts.slice(Math.min(parts.length, 24) - 1).join("/");
    const leaf: Leaf = {kind: "leaf", id: `node ${index}`, label: label || node.name, index, parent};
    parent.children.push(leaf);
    return leaf;
  });
  flatten(root);
  divide(root);
  count(root, nodes);
  openSome(root);
  return {root, leaves};
}

const newGroup = (id: string, label: string, parent: Group | undefined): Group => ({
  kind: "group",
  id,
  label,
  children: [],
  parent,
  open: parent === undefined,
  size: 0,
  unsupported: 0,
});

/** A scope with one child is no scope of its own. */
function flatten(group: Group): void {
  for (const [i, child] of group.children.entries()) {
    let only: Item = child;
    let label = only.label;
    while (only.kind === "group" && only.children.length === 1) {
      only = only.children[0]!;
      label += `/${only.label}`;
    }
    only.label = label;
    adopt(group, i, only);
    if (only.kind === "group") flatten(only);
  }
}

function adopt(group: Group, at: number, child: Item): void {
  child.parent = group;
  group.children[at] = child;
  if (child.kind === "group") for (const each of child.children) each.parent = child;
}

function divide(group: Group): void {
  if (group.children.length > mostBeside) {
    const all = [...group.children];
    const each = Math.max(20, Math.ceil(all.length / groupsBeside));
    const pieces: Group[] = [];
    for (let start = 0; start < all.length; start += each) {
      const part = all.slice(start, start + each);
      const piece = newGroup(`${group.id} ${start}`, `${start + 1} – ${start + part.length}`, group);
      for (const [i, child] of part.entries()) adopt(piece, i, child);
      pieces.push(piece);
    }
    group.children.splice(0, group.children.length, ...pieces);
  }
  for (const child of group.children) if (child.kind === "group") divide(child);
}

function count(group: Group, nodes: GraphView["nodes"]): void {
  for (const child of group.children) {
    if (child.kind === "group") {
      count(child, nodes);
      group.size += child.size;
      group.unsupported += child.unsupported;
    } else {
      group.size++;
      if (nodes[child.index]!.unsupported !== undefined) group.unsupported++;
    }
  }
}

/** Small groups first, level by level, as far as there is room. */
function openSome(root: Group): void {
  let drawn = root.children.length;
  let level = root.children;
  while (level.length > 0) {
    const groups = level
      .filter((child) => child.kind === "group")
      .sort((a, b) => a.children.length - b.children.length);
    const next: Item[] = [];
    for (const group of groups) {
      if (drawn + group.children.length - 1 > openAtStart && drawn >= tooFew) continue;
      group.open = true;
      drawn += group.children.length - 1;
      next.push(...group.children);
    }
    level = next;
  }
}

/** What stands for an item: the outermost closed scope that it is in, or itself. */
export function drawnFor(item: Item): Item {
  let shown: Item = item;
  for (let at = item.parent; at !== undefined; at = at.parent) if (!at.open) shown = at;
  return shown;
}

/** All that is drawn: leaves, closed groups, and open groups around them. */
export function drawnIn(root: Group): {readonly boxes: readonly Item[]; readonly frames: readonly Group[]} {
  const boxes: Item[] = [];
  const frames: Group[] = [];
  const visit = (group: Group): void => {
    for (const child of group.children) {
      if (child.kind === "group" && child.open) {
        frames.push(child);
        visit(child);
      } else boxes.push(child);
    }
  };
  visit(root);
  return {boxes, frames};
}

/** Opens what a leaf is in. */
export function reveal(item: Item): void {
  for (let at = item.parent; at !== undefined; at = at.parent) at.open = true;
}

/** Opens or closes everything, as far as may be drawn. Returns whether all of it could be. */
export function setAll(root: Group, open: boolean): boolean {
  let complete = true;
  const visit = (group: Group): void => {
    for (const child of group.children) {
      if (child.kind !== "group") continue;
      if (open && drawnIn(root).boxes.length + child.children.length > mostDrawn) {
        complete = false;
        continue;
      }
      child.open = open;
      visit(child);
    }
  };
  visit(root);
  return complete;
}
