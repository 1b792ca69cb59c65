/** The page of `tf-trusted inspect --html`: reads the data in it, and puts drawing, search and tables together. */
import type {GraphView} from "@tf-trusted/convert";
import type {PageData} from "../render/model-page.ts";
import {formatCount} from "../render/quantities.ts";
import {Canvas} from "./canvas.ts";
import {button, html} from "./dom.ts";
import {describeItem, modelTabs, type PanelEvents} from "./panel.ts";
import {buildScopes, drawnIn, type Group, type Item, mostDrawn, reveal, type Scopes, setAll} from "./scopes.ts";

const data = JSON.parse(document.getElementById("data")!.textContent!) as PageData;
const mostHits = 60;

interface State {
  view: GraphView;
  scopes: Scopes;
  selected: Item | undefined;
}

const scopesOf = new Map<GraphView, Scopes>();
const empty: GraphView = {name: "", kind: "graph", nodes: [], leftOut: 0};
const first = data.graphs[0] ?? empty;
const state: State = {view: first, scopes: scopesFor(first), selected: undefined};

const events: PanelEvents = {showNode, showGraph, toggle, search: (text) => startSearch(text)};
const canvas = new Canvas({select, toggle});
const note = html("div", {class: "note", role: "status"});
const leftOut = html("div", {class: "left-out"});
const graphChoice = html("select", {title: "graph", "aria-label": "graph"});
const searchField = html("input", {
  type: "search",
  placeholder: "Search nodes…",
  "aria-label": "search nodes by name",
  spellcheck: "false",
});
const hits = html("div", {class: "hits"});
const tabBar = html("div", {class: "tabs", role: "tablist"});
const tabBody = html("div", {class: "tab-body"});
const tabs = modelTabs(data, events);

build();
draw();
canvas.fit();

function build(): void {
  data.graphs.forEach((graph, i) => {
    graphChoice.append(html("option", {value: String(i)}, `${graph.name} (${graph.nodes.length + graph.leftOut})`));
  });
  graphChoice.addEventListener("change", () => showView(data.graphs[Number(graphChoice.value)]!));
  searchField.addEventListener("input", listHits);
  searchField.addEventListener("keydown", (event) => {
    if (event.key === "Enter") hits.querySelector("button")?.click();
    if (event.key === "Escape") closeHits();
  });
  const tools = html(
    "div",
    {class: "tools"},
    button("+", "zoom in", () => canvas.zoom(1.25)),
    button("−", "zoom out", () => canvas.zoom(0.8)),
    button("⤢", "show everything", () => canvas.overview()),
    button("⊞", "open all scopes", () => openAll(true)),
    button("⊟", "close all scopes", () => openAll(false)),
  );
  const header = html(
    "header",
    {},
    html("h1", {}, data.title),
    html("span", {class: "dim facts-line"}, data.facts.join(" · ")),
    html("div", {class: "search"}, searchField, hits),
    data.graphs.length > 1 ? graphChoice : undefined,
    button("◐", "dark or light", changeTheme, "theme"),
  );
  const main = html(
    "main",
    {},
    html("div", {class: "stage"}, canvas.element, tools, leftOut, note),
    html("aside", {}, tabBar, tabBody),
  );
  document.body.append(header, main);
  for (const name of [...tabs.keys(), "Node"]) {
    const tab = button(name, name, () => openTab(name));
    tab.setAttribute("role", "tab");
    tab.dataset.tab = name;
    tab.hidden = name === "Node";
    tabBar.append(tab);
  }
  openTab("Model");
}

function scopesFor(view: GraphView): Scopes {
  const known = scopesOf.get(view) ?? buildScopes(view);
  scopesOf.set(view, known);
  return known;
}

function draw(): void {
  canvas.draw(state.view, state.scopes);
  canvas.mark(state.selected);
  const {leftOut: missing} = state.view;
  leftOut.textContent = missing > 0 ? `${formatCount(missing)} nodes of this graph are left out` : "";
}

function showView(view: GraphView): void {
  state.view = view;
  state.scopes = scopesFor(view);
  state.selected = undefined;
  graphChoice.value = String(data.graphs.indexOf(view));
  draw();
  canvas.fit();
}

function showGraph(name: string): void {
  const view = data.graphs.find((graph) => graph.name === name);
  if (view !== undefined) showView(view);
  else tell(`The graph ${name} isn't drawn`);
}

function showNode(index: number): void {
  const leaf = state.scopes.leaves[index];
  if (leaf === undefined) return;
  reveal(leaf);
  state.selected = leaf;
  draw();
  canvas.center(leaf);
  select(leaf);
}

function select(item: Item | undefined): void {
  state.selected = item;
  canvas.mark(item);
  const tab = tabBar.querySelector<HTMLButtonElement>('[data-tab="Node"]')!;
  tab.hidden = item === undefined;
  if (item === undefined) {
    if (tab.getAttribute("aria-selected") === "true") openTab("Model");
    return;
  }
  openTab("Node");
}

function toggle(group: Group): void {
  if (!group.open && drawnIn(state.scopes.root).boxes.length + group.children.length > mostDrawn) {
    tell("That many nodes can't be drawn at once; close another scope first");
    return;
  }
  const anchor = canvas.anchor(group.open ? firstOf(group) : group);
  group.open = !group.open;
  if (state.selected !== undefined && state.selected.kind === "leaf") state.selected = undefined;
  draw();
  canvas.keep(group.open ? group.children : [group], anchor);
  if (state.selected !== undefined) select(state.selected);
}

const firstOf = (group: Group): Item => group.children[0] ?? group;

function openAll(open: boolean): void {
  if (!setAll(state.scopes.root, open)) tell(`Only ${mostDrawn} nodes are drawn at once; some scopes stay closed`);
  draw();
  canvas.fit();
}

function startSearch(text: string): void {
  const exact = state.view.nodes.findIndex(({name}) => name === text);
  if (exact >= 0) {
    showNode(exact);
    return;
  }
  searchField.value = text;
  searchField.focus();
  listHits();
}

/** Nodes whose name, or whose operator, has the text; in all graphs, those of the one that is shown first. */
function listHits(): void {
  const text = searchField.value.trim().toLowerCase();
  hits.replaceChildren();
  if (text === "") return;
  const ordered = [state.view, ...data.graphs.filter((graph) => graph !== state.view)];
  let found = 0;
  for (const view of ordered) {
    for (const [index, {name, op}] of view.nodes.entries()) {
      if (!name.toLowerCase().includes(text) && !op.toLowerCase().includes(text)) continue;
      if (++found > mostHits) continue;
      const hit = button("", name, () => {
        closeHits();
        if (view !== state.view) showView(view);
        showNode(index);
      });
      hit.append(
        html("span", {class: "hit-name"}, name),
        html("span", {class: "dim"}, view === state.view ? op : `${op} · ${view.name}`),
      );
      hits.append(hit);
    }
  }
  if (found === 0) hits.append(html("p", {class: "dim"}, "nothing found"));
  if (found > mostHits) hits.append(html("p", {class: "dim"}, `and ${found - mostHits} more`));
}

function closeHits(): void {
  hits.replaceChildren();
}

function openTab(name: string): void {
  for (const tab of tabBar.querySelectorAll("button"))
    tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
  const content =
    name === "Node"
      ? state.selected === undefined
        ? html("div")
        : describeItem(state.selected, state.view, events)
      : tabs.get(name)!();
  tabBody.replaceChildren(content);
  tabBody.scrollTop = 0;
}

function tell(text: string): void {
  note.textContent = text;
  note.classList.add("shown");
  setTimeout(() => note.classList.remove("shown"), 3500);
}

function changeTheme(): void {
  const {documentElement: root} = document;
  const isDark =
    root.dataset.theme === undefined
      ? matchMedia("(prefers-color-scheme: dark)").matches
      : root.dataset.theme === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
}
