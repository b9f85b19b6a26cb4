// Keeps the table of keepers up to date from the server's own stream. Without this script the page is a plain table.
"use strict";

const live = document.getElementById("live");

// Whoever goes by keyboard stays at the link where they are.
function replace(fragment, id) {
  const fresh = fragment.getElementById(id);
  const stale = document.getElementById(id);
  if (!fresh || !stale) return;
  const focused = stale.contains(document.activeElement) && document.activeElement.getAttribute("href");
  stale.replaceWith(document.adoptNode(fresh));
  if (!focused) return;
  for (const link of fresh.querySelectorAll("a")) {
    if (link.getAttribute("href") === focused) link.focus();
  }
}

function show(event) {
  const fragment = new DOMParser().parseFromString(event.data, "text/html");
  for (const id of ["alarms", "totals", "sparks", "states", "keepers"]) replace(fragment, id);
  live.textContent = "live, " + event.lastEventId;
  live.classList.add("on");
}

let stream;

function watch() {
  stream = new EventSource(live.dataset.source);
  stream.addEventListener("fleet", show);
  stream.addEventListener("error", () => {
    live.classList.remove("on");
    live.textContent = "reconnecting";
  });
}

// A page that nobody sees costs the server nothing.
function watchWhileSeen() {
  if (document.hidden) {
    stream.close();
    live.classList.remove("on");
    live.textContent = "resting";
  } else {
    watch();
  }
}

if (live && "EventSource" in window) {
  watch();
  document.addEventListener("visibilitychange", watchWhileSeen);
}
