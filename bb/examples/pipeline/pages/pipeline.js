// Sends lines, and shows what each pipeline makes of them.

const $ = (id) => document.getElementById(id);
const KEPT = 200; // lines of a pipeline

const s = SenteLite.connect({onState: showLink});
s.on("pipeline/out", ({uid, line}) => {
  const list = $(`out-${uid}`);
  if (!list) return;
  const li = document.createElement("li");
  li.textContent = line;
  list.append(li);
  while (list.children.length > KEPT) list.firstChild.remove();
  list.scrollTop = list.scrollHeight;
});

$("type").addEventListener("submit", async (e) => {
  e.preventDefault();
  const line = $("line").value;
  if (!line.trim()) return;
  $("line").value = "";
  try {
    const taken = await s.ask("pipeline/type", line);
    const not = Object.keys(taken).filter((uid) => taken[uid] !== "ok");
    $("said").textContent = not.length ? `Not taken by ${not.join(", ")}` : "";
  } catch (e) {
    $("said").textContent = e.message;
  }
});

async function showLink({status, open}) {
  $("link").dataset.phase = status;
  $("link").textContent = open ? "connected" : status === "closed" ? "closed" : "connecting";
  if (!open || $("pipelines").children.length) return;
  const all = await s.ask("pipeline/list").catch(() => []);
  $("pipelines").replaceChildren(...all.map(({uid, title, shell}) => {
    const section = document.createElement("section");
    section.innerHTML = `<h2></h2><code></code><ol id="out-${uid}" role="log" tabindex="0"></ol>`;
    section.querySelector("h2").textContent = title;
    section.querySelector("code").textContent = shell;
    section.querySelector("ol").setAttribute("aria-label", `What ${title} has written`);
    return section;
  }));
}
