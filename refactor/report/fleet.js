// Takes down what is decided on groups: in the browser's storage as it comes, and in a file for
// `dfr fleet review --decisions` when that is asked for.
//
// Samples are in a <noscript>: with scripts they become elements when their group is opened. A
// shape group is accepted after its samples were on the screen.

const LETTERS = { accept: "a", decline: "d", "": "." };

const groups = Array.from(element("list").children, (node, at) => {
  const [kind, subject, repository, transform, level, changes, wanted, before, reason] = data.groups[at];
  return {
    number: at, node, kind, subject, repository, transform, level, changes, wanted, before, reason,
    answer: before, given: 0, seen: 0, shown: true, search: node.textContent.toLowerCase(),
  };
});
const past = []; // what undo takes back
let current = null;
let shown = groups;

// Groups, and their samples.

function unfold(group) {
  const source = group.node.querySelector("noscript");
  if (source) {
    const inside = document.createElement("template");
    inside.innerHTML = source.textContent;
    source.replaceWith(inside.content);
  }
  group.seen = group.node.querySelectorAll(".sample").length;
}

function answered(group) {
  const { node, answer } = group;
  node.dataset.answer = answer;
  node.querySelector(".state").textContent = answer && WORDS[answer];
  for (const button of node.querySelectorAll("[data-give]"))
    button.setAttribute("aria-pressed", String(button.dataset.give === answer));
}

// The storage: a letter a group. A page that is opened as a file may have none.

const place = `dfr-fleet-${data.digest}`;

function recall() {
  let found = "";
  try {
    found = localStorage.getItem(place) ?? "";
  } catch {
    return;
  }
  const words = Object.fromEntries(Object.entries(LETTERS).map(([word, letter]) => [letter, word]));
  if (found.length !== groups.length) return;
  groups.forEach((group, at) => {
    const answer = words[found[at]] ?? "";
    if (answer === group.answer) return;
    Object.assign(group, { answer, given: Date.now() / 1000, seen: group.wanted });
  });
}

function keep() {
  try {
    localStorage.setItem(place, groups.map(({ answer }) => LETTERS[answer]).join(""));
  } catch {
    element("unkept").hidden = false;
  }
}

// Decisions.

function progress() {
  const sum = (given) => groups.filter(({ answer }) => answer === given).reduce((all, { changes }) => all + changes, 0);
  const parts = [sum("accept"), sum("decline")];
  const all = groups.reduce((total, { changes }) => total + changes, 0);
  const done = parts[0] + parts[1];
  element("decided").textContent = `${done.toLocaleString("en")} of ${counted(all, "change")} decided`;
  parts.forEach((part, at) => {
    element("progress").children[at].style.width = `${(100 * part) / Math.max(1, all)}%`;
  });
  element("progress").setAttribute("aria-valuenow", String(done));
  element("undo").disabled = !past.length;
}

function settle(group, sentence) {
  answered(group);
  keep();
  progress();
  if (filter.elements.state.value) refresh();
  say(sentence);
}

/** Give an answer; return whether it was taken: a shape group is looked at first. */
function answer(group, word) {
  if (word === "accept" && group.seen < group.wanted) {
    unfold(group);
    select(group);
    say(`look at ${counted(group.wanted, "sample")} first, then accept`);
    return false;
  }
  past.push({ group, answer: group.answer, given: group.given });
  Object.assign(group, { answer: word, given: Date.now() / 1000 });
  settle(group, `${WORDS[word]}: ${group.transform}`);
  return true;
}

function toggle(group, { dataset }) {
  const { give } = dataset;
  if (give) answer(group, give === group.answer ? group.before : give);
}

function decide(word) {
  if (!current) return step(1);
  const open = shown.filter((group) => !group.answer && group !== current);
  const next = open.find(({ number }) => number > current.number) ?? open[0];
  if (!answer(current, word)) return undefined;
  return next ? select(next) : say("all that is shown is decided: save it");
}

function undo() {
  const last = past.pop();
  if (!last) return say("nothing to take back");
  Object.assign(last.group, { answer: last.answer, given: last.given });
  settle(last.group, "taken back");
  return last.group.shown && select(last.group);
}

function save() {
  const decisions = groups.filter(({ answer: word, before }) => word && word !== before).map((group) => ({
    kind: group.kind, subject: group.subject, repository: group.repository, path: "",
    decision: group.answer, reason: group.reason, at: Math.round(group.given),
    ...(group.kind === "shape" && { samples: group.seen }),
  }));
  if (!decisions.length) return say("nothing new is decided");
  const rows = decisions.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  const head = JSON.stringify({ version: 1, tool: data.tool, campaign: data.campaign }, null, 2).slice(0, -2);
  return download(`${head},\n  "decisions": [\n${rows}\n  ]\n}\n`);
}

// Moving.

function stand(group) {
  current?.node.classList.remove("current");
  current = group;
  group.node.classList.add("current");
}

function select(group) {
  unfold(group);
  const { node } = group;
  node.firstElementChild.open = true;
  stand(group);
  node.querySelector("summary").focus({ preventScroll: true });
  const { top, bottom } = node.getBoundingClientRect();
  if (top < element("tools").offsetHeight || bottom > innerHeight) node.scrollIntoView({ block: "start" });
}

function step(by) {
  if (!shown.length) return say("nothing is shown");
  const at = shown.indexOf(current);
  const to = at < 0 ? 0 : at + by;
  if (!shown[to]) return say(by > 0 ? "this is the last one" : "this is the first one");
  if (current) current.node.firstElementChild.open = false;
  return select(shown[to]);
}

function expand() {
  if (current) current.node.firstElementChild.open = !current.node.firstElementChild.open;
}

// The filter.

function refresh() {
  const value = (name) => filter.elements[name].value.trim();
  const [transform, level, state] = ["transform", "level", "state"].map(value);
  const text = value("text").toLowerCase();
  for (const group of groups) {
    group.shown = (!transform || group.transform === transform) && (!level || group.level === level) &&
      (!state || WORDS[group.answer] === state) && (!text || group.search.includes(text));
    group.node.hidden = !group.shown;
  }
  shown = groups.filter((group) => group.shown);
  const changes = shown.reduce((all, group) => all + group.changes, 0);
  element("shown").textContent = `${counted(shown.length, "group")}, ${counted(changes, "change")}`;
}

function pick({ pick: name, value }) {
  filter.reset();
  filter.elements[name].value = value;
  refresh();
  element("groups").scrollIntoView({ block: "start" });
}

// Keys.

const KEYS = {
  j: () => step(1), k: () => step(-1), e: expand, u: undo, s: save,
  y: () => decide("accept"), a: () => decide("accept"), n: () => decide("decline"), d: () => decide("decline"),
  "/": () => filter.elements.text.focus(),
  "?": help,
};

function pressed(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || element("keys").open) return;
  if (target.matches("input, select")) {
    if (key === "Escape") current?.shown ? select(current) : target.blur();
    return;
  }
  const act = KEYS[key.toLowerCase()];
  if (!act || !element("listen").checked) return;
  event.preventDefault();
  act();
}

function start() {
  recall();
  for (const group of groups) {
    group.node.append(element("actions").content.cloneNode(true));
    group.node.querySelector(".actions").addEventListener("click", ({ target }) => toggle(group, target));
    group.node.addEventListener("focusin", () => stand(group));
    group.node.firstElementChild.addEventListener("toggle", () => unfold(group));
    answered(group);
  }
  for (const name of [...new Set(groups.map(({ transform }) => transform))].sort())
    filter.elements.transform.add(new Option(name));
  for (const label of document.querySelectorAll("[data-pick]")) {
    if (!groups.some(({ transform }) => transform === label.dataset.value)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...label.childNodes);
    button.addEventListener("click", () => pick(label.dataset));
    label.append(button);
  }
  element("tools").hidden = filter.hidden = !groups.length;
  element("progress").setAttribute("aria-valuemax", String(groups.reduce((all, { changes }) => all + changes, 0)));
  progress();
  refresh();
  addEventListener("keydown", pressed);
  filter.addEventListener("input", refresh);
  filter.addEventListener("reset", () => setTimeout(refresh));
  filter.addEventListener("submit", (event) => event.preventDefault());
  for (const [id, act] of Object.entries({ undo, save, help }))
    element(id).addEventListener("click", act);
}

start();
