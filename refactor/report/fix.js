// Filters the page, and takes down what is decided: in the browser's storage as it comes, and in a
// file for `dfr fix --decisions` when that is asked for.
//
// What is inside a file is in a <noscript>: with scripts it is one piece of text, which becomes
// elements when the file is opened. So thousands of files load as fast as one.

const files = Array.from(document.querySelectorAll(".file > noscript"), (source, at) => {
  const [path, sha256, rows, transforms] = data.files[at];
  const card = source.parentElement;
  const file = { path, sha256, card, source, done: card.querySelector(".done"), search: path.toLowerCase() };
  const changes = rows.map(([transform, level, site, key, reason, part]) => (
    { file, part, transform, level, site, key, reason, answer: "", shown: true, node: null }));
  const notes = transforms.map((transform) => ({ file, transform, shown: true, node: null }));
  return Object.assign(file, { items: [...changes, ...notes], changes: changes.filter(({ key }) => key) });
});
const items = files.flatMap((file) => file.items);
const changes = files.flatMap((file) => file.changes);
changes.forEach((change, number) => (change.number = number));

const past = []; // what undo takes back: changes with their answers before, and where one was
let current = null;
let shown = changes;

// Files, and what is in them.

function unfold(file) {
  if (!file.source.isConnected) return;
  const inside = document.createElement("template");
  inside.innerHTML = file.source.textContent;
  file.source.replaceWith(inside.content);
  const nodes = file.card.querySelectorAll(".change, .note");
  file.items.forEach((item, at) => (item.node = nodes[at]));
  for (const change of file.changes) {
    change.node.append(element("actions").content.cloneNode(true));
    change.node.querySelector(".actions").addEventListener("click", ({ target }) => toggle(change, target));
    change.node.addEventListener("focusin", () => stand(change));
    answered(change);
  }
  filtered(file);
}

/** Show the answer of a change where it stands; what is decided is folded. */
function answered(change) {
  const { node, answer } = change;
  if (!node) return;
  node.dataset.answer = answer;
  node.firstElementChild.open = !answer;
  node.querySelector(".state").textContent = answer && WORDS[answer];
  for (const button of node.querySelectorAll("[data-give]"))
    button.setAttribute("aria-pressed", String(button.dataset.give === answer));
}

/** Show what the filter leaves of a file. */
function filtered(file) {
  if (file.source.isConnected) return;
  for (const { node, shown: is } of file.items) node.hidden = !is;
  for (const box of file.card.querySelectorAll("details:has(> .notes)"))
    box.hidden = !box.querySelector(".note:not([hidden])");
}

// The storage: a letter a change. A page that is opened as a file may have none.

const place = `dfr-review-${data.digest}`;
const letters = { accept: "a", decline: "d", "": "." };

function recall() {
  let found = "";
  try {
    found = localStorage.getItem(place) ?? "";
  } catch {
    return;
  }
  const words = Object.fromEntries(Object.entries(letters).map(([word, letter]) => [letter, word]));
  if (found.length === changes.length)
    changes.forEach((change, at) => (change.answer = words[found[at]] ?? ""));
}

function keep() {
  try {
    localStorage.setItem(place, changes.map(({ answer }) => letters[answer]).join(""));
  } catch {
    element("unkept").hidden = false;
  }
}

// Decisions.

/** Show how far one is, in all and in some files. */
function progress(some) {
  const number = (found, given) => found.filter(({ answer }) => answer === given).length;
  const parts = [number(changes, "accept"), number(changes, "decline")];
  const done = parts[0] + parts[1];
  element("decided").textContent = `${done.toLocaleString("en")} of ${counted(changes.length, "change")} decided`;
  parts.forEach((part, at) => {
    element("progress").children[at].style.width = `${(100 * part) / changes.length}%`;
  });
  element("progress").setAttribute("aria-valuenow", String(done));
  element("undo").disabled = !past.length;
  for (const { changes: own, done: said } of some) {
    const left = number(own, "");
    said.textContent = left === own.length ? "" : left ? `${own.length - left} of ${own.length} decided` : "decided";
    said.classList.toggle("all", !left);
  }
}

function settle(some, sentence) {
  some.forEach(answered);
  keep();
  progress(new Set(some.map(({ file }) => file)));
  if (filter.elements.state.value) refresh();
  say(sentence);
}

/** Give an answer to changes; undo takes it back for all of them. */
function answer(some, given, sentence) {
  past.push({ before: some.map((change) => [change, change.answer]), at: current });
  for (const change of some) change.answer = given;
  settle(some, `${WORDS[given]}: ${sentence}`);
}

function toggle(change, button) {
  const given = button.dataset.give;
  if (given === undefined) return;
  answer([change], given === change.answer ? "" : given, change.transform);
}

function decide(given) {
  if (!current) return step(1);
  const next = following();
  answer([current], given, current.transform);
  return proceed(next);
}

function always(given) {
  if (!current) return step(1);
  const { transform } = current;
  const some = changes.filter((c) => c.transform === transform && (c === current || !c.answer));
  answer(some, given, `${counted(some.length, "change")} of ${transform}`);
  return proceed(following());
}

function everything(given) {
  const some = shown.filter((change) => !change.answer);
  if (some.length) answer(some, given, counted(some.length, "change"));
}

function undo() {
  const last = past.pop();
  if (!last) return say("nothing to take back");
  for (const [change, was] of last.before) change.answer = was;
  settle(last.before.map(([change]) => change), "taken back");
  return last.at?.shown && select(last.at);
}

function following() {
  const open = shown.filter((change) => !change.answer && change !== current);
  return open.find(({ number }) => number > current.number) ?? open[0];
}

function proceed(next) {
  if (next) return select(next);
  return say(changes.every((change) => change.answer) ? "all is decided: save it" : "all that is shown is decided");
}

function save() {
  const decided = {};
  for (const { file, part, answer: decision, transform, site, key, reason } of changes) {
    if (!decision) continue;
    // A Dockerfile in another file has a name of its own, and the file's digest is not its own.
    const name = part ? `${file.path}#${part}` : file.path;
    decided[name] ??= { sha256: part ? "" : file.sha256, decisions: [] };
    decided[name].decisions.push({ decision, transform, site, key, reason });
  }
  if (!Object.keys(decided).length) return say("nothing is decided yet");
  const text = JSON.stringify({ version: 1, tool: data.tool, files: decided }, null, 2);
  return download(`${text}\n`);
}

// Moving.

/** Make a change the one that keys are for; whoever goes there by mouse or Tab does so too. */
function stand(change) {
  current?.node.classList.remove("current");
  current = change;
  change.node.classList.add("current");
}

function select(change) {
  unfold(change.file);
  const { node } = change;
  change.file.card.open = true;
  node.firstElementChild.open = true;
  stand(change);
  node.querySelector("summary").focus({ preventScroll: true });
  const { top, bottom } = node.getBoundingClientRect();
  if (top < element("tools").offsetHeight || bottom > innerHeight) node.scrollIntoView({ block: "start" });
}

function step(by) {
  if (!shown.length) return say("nothing is shown");
  const at = shown.indexOf(current);
  const to = at < 0 ? 0 : at + by;
  if (!shown[to]) return say(by > 0 ? "this is the last one" : "this is the first one");
  return select(shown[to]);
}

function expand() {
  if (!current) return;
  const parts = current.node.querySelectorAll("details");
  const open = !Array.from(parts).every((part) => part.open);
  for (const part of parts) part.open = open;
}

// The filter.

const ITEM = /<li class="change"[^]*?<\/details>\n<\/li>|<li class="note"[^]*?<\/li>/g;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };

/** Find out what is said of each item: what can be searched. */
function read() {
  for (const file of files) {
    const found = (file.source.textContent || "").match(ITEM) ?? [];
    file.items.forEach((item, at) => {
      const words = found[at].replace(/<[^>]*>/g, "").replace(/&[a-z#0-9]+;/g, (name) => ENTITIES[name]);
      item.search = words.toLowerCase();
    });
  }
}

function refresh() {
  const value = (name) => filter.elements[name].value.trim();
  const [transform, level, state] = ["transform", "level", "state"].map(value);
  const [text, path] = ["text", "path"].map((name) => value(name).toLowerCase());
  if (text && items[0]?.search === undefined) read();
  const fits = (item) =>
    (!transform || item.transform === transform) &&
    (!level || item.level === level) &&
    (!state || WORDS[item.answer] === state) &&
    (!path || item.file.search.includes(path)) &&
    (!text || item.file.search.includes(text) || item.search.includes(text));
  for (const item of items) item.shown = fits(item);
  shown = changes.filter((change) => change.shown);
  const active = transform || level || state || text || path;
  for (const file of files) {
    file.card.hidden = !file.items.some((item) => item.shown);
    filtered(file);
  }
  for (const card of document.querySelectorAll(".file.aside")) card.hidden = Boolean(active);
  const remarks = items.filter((item) => item.shown && item.level === undefined).length;
  const places = new Set(shown.map(({ file }) => file)).size;
  element("shown").textContent =
    `${counted(shown.length, "change")} in ${counted(places, "file")}, ${counted(remarks, "remark")}`;
  for (const id of ["accept-shown", "decline-shown"]) element(id).disabled = !shown.length;
}

let waiting = 0;
function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 80);
}

function pick({ pick: name, value }) {
  filter.reset();
  filter.elements[name].value = value;
  refresh();
  element("tools").scrollIntoView({ block: "start" });
}

// Keys.

const KEYS = {
  j: () => step(1), k: () => step(-1), e: expand, u: undo, s: save,
  a: () => decide("accept"), y: () => decide("accept"), A: () => always("accept"),
  d: () => decide("decline"), n: () => decide("decline"), N: () => always("decline"),
  "/": () => filter.elements.text.focus(),
  "?": help,
};

function pressed(event) {
  const { target, key, shiftKey } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || element("keys").open) return;
  if (target.matches("input, select")) {
    if (key === "Escape") current?.shown ? select(current) : target.blur();
    return;
  }
  const act = KEYS[shiftKey ? key : key.toLowerCase()]; // caps lock makes no `a` an `A`
  if (!act || !element("listen").checked) return;
  event.preventDefault();
  act();
}

function start() {
  recall();
  for (const file of files) if (file.card.open) unfold(file);
  for (const name of [...new Set(items.map(({ transform }) => transform))].sort())
    filter.elements.transform.add(new Option(name));
  for (const label of document.querySelectorAll("[data-pick]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...label.childNodes);
    button.addEventListener("click", () => pick(label.dataset));
    label.append(button);
  }
  element("tools").hidden = !changes.length;
  filter.hidden = !items.length;
  element("progress").setAttribute("aria-valuemax", String(changes.length));
  progress(files);
  refresh();
  keep();
  addEventListener("keydown", pressed);
  for (const file of files) file.card.addEventListener("toggle", () => unfold(file));
  filter.addEventListener("input", soon);
  filter.addEventListener("reset", () => setTimeout(refresh));
  filter.addEventListener("submit", (event) => event.preventDefault());
  for (const [id, act] of Object.entries({
    undo, save, help,
    "accept-shown": () => everything("accept"), "decline-shown": () => everything("decline"),
  })) element(id).addEventListener("click", act);
}

start();
