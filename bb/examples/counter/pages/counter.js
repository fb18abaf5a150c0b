// The page never counts: it asks for a step and shows what the script then says.

const $ = (id) => document.getElementById(id);
const seen = [];
let pages = 1;

const s = SenteLite.connect({onState: showLink});
s.on("counter/is", show);
s.on("counter/pages", (n) => { pages = n; showLink(s.state); });

for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}
addEventListener("keydown", (e) => {
  const n = {ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10}[e.key];
  if (n) { e.preventDefault(); step(n); }
});

async function step(n) {
  try {
    await s.ask("counter/add", n);
  } catch (e) {
    $("by").textContent = `Not counted: ${e.message}`;
  }
}

function showLink(state) {
  $("link").dataset.phase = state.status;
  $("link").textContent = {open: pages === 1 ? "one page" : `${pages} pages`, closed: "closed"}[state.status] || "connecting";
  for (const button of document.querySelectorAll("[data-step]")) button.disabled = !state.open;
  if (state.open && !showLink.open) s.ask("counter/get").then(show, () => {}); // as it is now, not as it was
  showLink.open = state.open;
}

function show({value, changes, by}) {
  if (seen.length && seen.at(-1).changes === changes) return;
  seen.push({value, changes});
  seen.splice(0, seen.length - 60);
  $("value").textContent = String(value).replace("-", "−");
  document.title = `${value} – Counter`;
  const often = changes === 1 ? "once" : `${changes} times`;
  const who = by === s.state.uid ? "this page" : "another page";
  $("by").textContent = changes ? `Changed ${often}, last by ${who}` : "Nobody has changed it yet";
  chart();
}

/** A line of steps: the counter knows nothing in between. */
function chart() {
  const values = seen.map((x) => x.value);
  const low = Math.min(...values), high = Math.max(low + 1, ...values);
  const width = 600 / Math.max(12, values.length);
  const line = values.map((v, i) => `${i ? "V" : "M0,"}${116 - (112 * (v - low)) / (high - low)}H${(i + 1) * width}`).join("");
  document.querySelector("#chart .line").setAttribute("d", line);
  document.querySelector("#chart .area").setAttribute("d", `${line}V120H0Z`);
}
