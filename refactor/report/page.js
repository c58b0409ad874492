"use strict";
// What the pages that one decides on have in common; each has a script of its own behind it.

const element = (id) => document.getElementById(id);
const data = JSON.parse(element("data").textContent);
const filter = element("filter");
const WORDS = { accept: "accepted", decline: "declined", "": "undecided" };

function say(sentence) {
  element("said").textContent = sentence;
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function download(text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return say("saved as decisions.json");
}

function help() {
  element("keys").showModal();
  element("keys").querySelector("button").focus();
}

