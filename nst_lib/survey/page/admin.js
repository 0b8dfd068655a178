/* The admin view of a listening test: the numbers of participants and of answers in each cell. */

const KEPT = "nst-survey-admin";
const EVERY = 3000;  // ms
const find = id => document.getElementById(id);
const words = name => name.replaceAll("_", " ");
const KINDS = {
  rating: "ratings", pair: "paired preferences", abx: "ABX", mushra: "MUSHRA pages", questionnaire: "questionnaire",
};
const SHORT = {abx: "ABX", mushra: "MUSHRA"};
const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

/* The token comes in the fragment of the link, which browsers do not send. It is removed from the address. */
function token() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT);
}

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function say(text) {
  if (find("said").textContent !== text) find("said").textContent = text;
}

async function ask(path) {
  const headers = {Authorization: `Bearer ${token()}`};
  const signal = AbortSignal.timeout(30000);
  const response = await fetch("api/" + path, {headers, signal, credentials: "omit"});
  if (response.ok) return response;
  const {error} = await response.json();
  throw Object.assign(new Error(error), {status: response.status});
}

/* ---- counts ---- */

function tiles(counts) {
  find("tiles").replaceChildren(...Object.entries(counts).map(([name, value]) =>
    make("div", {}, make("dt", {}, words(name)), make("dd", {}, String(value)))));
}

/* Return a table with conditions in rows and pairs in columns; without pairs, there is one column. */
function cells(list) {
  const factors = Object.keys(list[0] ?? {}).filter(name => !["pair", "answers"].includes(name));
  const condition = cell => factors.map(name => words(String(cell[name]))).join(", ") || "all";
  const pair = cell => words(String(cell.pair ?? "answers"));
  const down = [...new Set(list.map(condition))], across = [...new Set(list.map(pair))];
  const counts = new Map(list.map(cell => [condition(cell) + "\n" + pair(cell), cell.answers]));
  const number = (value, name = "td") => make(name, {class: "number"}, String(value));
  const sum = (rows, columns) => rows.flatMap(row => columns.map(column => counts.get(row + "\n" + column) ?? 0))
    .reduce((a, b) => a + b, 0);
  const least = Math.min(...counts.values()), most = Math.max(...counts.values());
  const range = least === most ? plural(least, "answer") : `${least} to ${plural(most, "answer")}`;
  const head = [...across, "all"].map(name => make("th", {scope: "col", class: "number"}, name));
  return make("table", {}, make("caption", {}, `${range} per cell.`),
    make("thead", {}, make("tr", {}, make("th", {scope: "col"}, factors.map(words).join(", ") || "item"), ...head)),
    make("tbody", {}, ...down.map(row => make("tr", {}, make("th", {scope: "row"}, row),
      ...across.map(column => number(counts.get(row + "\n" + column) ?? "–")), number(sum([row], across))))),
    make("tfoot", {}, make("tr", {}, make("th", {scope: "row"}, "all"),
      ...across.map(column => number(sum(down, [column]))), number(sum(down, across)))));
}

/* Show each block that has sounds. A comparison or a page counts for each of its sounds. */
function blocks(list) {
  const shown = list.filter(block => block.cells.length);
  find("blocks").replaceChildren(...shown.flatMap((block, n) => {
    const id = `block-${n}`;
    const missed = block.catches_answered ? `; catch trials missed: ${block.catches_missed} of ${block.catches_answered}` : "";
    return [make("h3", {id}, `${words(block.name)} (${KINDS[block.kind] ?? block.kind})${missed}`),
      make("div", {class: "scroll", tabindex: "0", role: "region", "aria-labelledby": id}, cells(block.cells))];
  }));
}

/* Show the buttons for the export, which stay the same while the test runs. */
function exports(tables) {
  const box = find("exports");
  if (box.childElementCount) return;
  const button = (file, text, look = {}) => {
    const one = make("button", {type: "button", ...look}, text);
    one.onclick = () => download(file);
    return one;
  };
  box.replaceChildren(...tables.map(name => make("p", {class: "row"},
    button(`${name}.csv`, `${SHORT[name] ?? name[0].toUpperCase() + name.slice(1)} (CSV)`, {class: "main"}),
    button(`${name}_columns.csv`, `Meaning of the columns of ${SHORT[name] ?? name} (CSV)`))));
}

function show(state) {
  document.title = `${state.title} · overview`;
  find("title").textContent = state.title;
  tiles(state.participants);
  const simulated = state.participants.simulated;
  find("simulated").hidden = !simulated;
  find("simulated").textContent = `${simulated} of the participants ${simulated === 1 ? "is a program" : "are programs"}: their answers are simulated.`;
  blocks(state.blocks);
  exports(state.tables);
  find("when").textContent = `Counted at ${new Date().toLocaleTimeString()}.`;
  find("all").hidden = false;
}

async function refresh() {
  if (!token()) {
    say("To open this page, use the link that nst survey serve prints when it starts.");
    return;
  }
  try {
    show(await (await ask("admin")).json());
    say("");
  } catch (error) {
    if (error.status === 401) {
      sessionStorage.removeItem(KEPT);
      find("all").hidden = true;
      say("This link is wrong, or from an earlier start of the server. Use the link that the server printed last.");
      return;
    }
    say(error.status ? error.message : "The connection to the server is lost. Trying again…");
  }
  setTimeout(refresh, EVERY);
}

/* ---- export ---- */

async function download(name) {
  try {
    const address = URL.createObjectURL(await (await ask(`admin/${name}`)).blob());
    make("a", {href: address, download: name}).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  } catch (error) {
    say(error.status ? error.message : "The connection to the server is lost.");
  }
}

addEventListener("hashchange", () => { if (location.hash) location.reload(); });
refresh();
