// Round trips: measured each second, kept for a minute, drawn as a number and a chart.

import {millis, spark} from "./page.js";

const SAMPLES = 60;
const $ = (id) => document.getElementById(id);
const rtts = []; // ms; null where the link was down

/** The newest one, undefined at the beginning. */
export const lastRtt = () => rtts[rtts.length - 1];

/** Leaves a gap: the link has gone. */
export const gap = () => { rtts.push(null); };

/** Measures while the page is looked at and its link s is open. */
export function measure(s) {
  setInterval(async () => {
    if (document.hidden || !s.state.open) return;
    try {
      rtts.push(await s.ping({timeoutMs: 5000}));
    } catch {
      return; // the state says so
    }
    rtts.splice(0, rtts.length - SAMPLES);
    draw();
  }, 1000);
}

function draw() {
  const known = rtts.filter((v) => v !== null);
  const last = known[known.length - 1];
  $("rtt").textContent = millis(last);
  $("pill-rtt").textContent = `${millis(last)} ms`;
  $("rtt-range").textContent = `${millis(Math.min(...known))} to ${millis(Math.max(...known))} ms in the last ${known.length} s`;
  const {line, area} = spark(rtts, SAMPLES);
  $("spark").querySelector(".line").setAttribute("d", line);
  $("spark").querySelector(".area").setAttribute("d", area);
}
