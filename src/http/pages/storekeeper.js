// Keeps pages up to date while somebody looks: the table of keepers from the server's own stream, others by reading
// them again. Without this script they are plain pages.
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

const REFRESH_MS = 2000;
const refreshed = document.getElementById("refreshed");

// Parts that are live are replaced; what somebody types or has opened is none of them.
async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      if (!part.querySelector("details[open]")) replace(page, part.id);
    }
    refreshed.textContent = "live, " + new Date().toISOString();
  } catch {
    refreshed.textContent = "reconnecting";
  }
}

async function refreshForEver() {
  await refresh();
  setTimeout(refreshForEver, REFRESH_MS);
}

if (refreshed) setTimeout(refreshForEver, REFRESH_MS);
