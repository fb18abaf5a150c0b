// Shows what the script says of its worker and of the jobs.

const $ = (id) => document.getElementById(id);
const rows = new Map(); // job id → its row
const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009");

const s = SenteLite.connect({onState: showLink});
s.on("work/state", show);
$("crash").addEventListener("click", () => s.send("work/crash"));
for (const b of document.querySelectorAll("[data-upto]")) {
  b.addEventListener("click", () => s.send("work/start", Number(b.dataset.upto)));
}

function showLink({status, open}) {
  $("link").dataset.phase = status;
  $("link").textContent = open ? "connected" : status === "closed" ? "closed" : "connecting";
  if (open) s.ask("work/state").then(show, () => {});
}

function show({worker: {"here?": here, pid, starts}, jobs}) {
  const often = starts === 1 ? "once" : `${starts} times`;
  $("worker").classList.toggle("here", here);
  $("worker-state").textContent = here ? "The worker is here" : starts ? "The worker has gone, and is started again" : "The worker starts";
  $("worker-facts").textContent = here ? `process ${pid}, started ${often}` : "\u00a0";
  $("crash").disabled = !here;
  $("none").hidden = jobs.length > 0;
  for (const [id, row] of rows) if (!jobs.some((j) => j.id === id)) { row.remove(); rows.delete(id); }
  for (const job of jobs) {
    if (!rows.has(job.id)) {
      rows.set(job.id, $("jobs").insertBefore(newRow(job), $("jobs").firstChild));
    }
    showJob(rows.get(job.id), job);
  }
}

function newRow({id, upto}) {
  const li = document.createElement("li");
  li.innerHTML = `<span class="what">Below <span class="num"></span></span><span class="result num" role="status"></span>
    <div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"><div></div></div><p class="why fine" hidden></p>`;
  li.querySelector(".what .num").textContent = number(upto);
  li.querySelector(".bar").setAttribute("aria-label", `Job ${id}`);
  return li;
}

function showJob(li, {status, upto, done, primes, why}) {
  const percent = Math.floor((100 * done) / upto);
  li.className = status;
  li.querySelector(".result").textContent = {done: `${number(primes)} primes`, lost: "lost"}[status] || `${percent} %`;
  li.querySelector(".bar").setAttribute("aria-valuenow", percent);
  li.querySelector(".bar > div").style.width = `${percent}%`;
  li.querySelector(".why").hidden = !why;
  li.querySelector(".why").textContent = why || "";
}
