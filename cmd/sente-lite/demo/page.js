// What the demo's page is made of: elements, storage, names, times, the little chart.

/** Makes an element; props are properties, text goes into text nodes only. */
export function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

/** JSON in a Storage, which may be full, forbidden or filled by somebody else. */
export function kept(storage, key, otherwise) {
  const name = `sente-lite.demo.${key}`;
  const store = () => window[storage];
  return {
    get() {
      try {
        return JSON.parse(store().getItem(name)) ?? otherwise;
      } catch {
        return otherwise;
      }
    },
    set(value) {
      try {
        store().setItem(name, JSON.stringify(value));
      } catch { /* the page works without */ }
    },
  };
}

const pick = (words) => words[Math.floor(Math.random() * words.length)];
/** A name for who has given none. */
export const madeUp = () => `${pick(["amber", "quiet", "north", "cedar", "paper", "river", "early", "plain", "copper", "hazel", "silver",
  "winter", "mossy", "coral", "dusty", "clear"])} ${
  pick(["heron", "fox", "crane", "otter", "wren", "hare", "finch", "lynx", "ibis", "marten", "owl", "plover", "seal",
  "stoat", "swift", "vole"])}`;

/** Puts the rows into a list, keeping the focus where it was. */
export function fill(list, rows) {
  const at = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...rows);
  if (at) [...list.querySelectorAll("button")].find((b) => b.dataset.key === at)?.focus();
}

export const timeOf = (v) => (v !== null && v !== undefined && !Number.isNaN(+new Date(v)) ? +new Date(v) : null);
export const clock = (at) => new Date(at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hour12: false});
export const millis = (ms) => (ms < 10 ? ms.toFixed(ms < 1 ? 2 : 1) : String(Math.round(ms)));

export function age(since) {
  const at = timeOf(since);
  if (at === null) return "";
  const sec = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (sec < 60) return `${sec} s`;
  if (sec < 3600) return `${Math.floor(sec / 60)} min`;
  return sec < 86400 ? `${Math.floor(sec / 3600)} h` : `${Math.floor(sec / 86400)} d`;
}

export function hue(text) {
  let h = 7;
  for (const c of String(text)) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

/**
 * The paths of a chart, 120 by 32, of the newest values, which end at its right edge; a null is a gap. One peak must
 * not flatten the rest, so what is far above the median touches the top.
 */
export function spark(values, most) {
  const known = values.filter((v) => v !== null).sort((a, b) => a - b);
  const top = Math.min(known[known.length - 1], 6 * known[known.length >> 1]) * 1.15;
  const x = (i) => (((i + most - values.length) / (most - 1)) * 120).toFixed(1);
  let line = "";
  let area = "";
  values.forEach((v, i) => {
    if (v === null) return;
    const at = `${x(i)} ${(31 - Math.min(1, v / top) * 30).toFixed(1)}`;
    const starts = i === 0 || values[i - 1] === null;
    const ends = i === values.length - 1 || values[i + 1] === null;
    line += `${starts ? "M" : "L"}${at}`;
    area += `${starts ? `M${x(i)} 32L` : "L"}${at}${ends ? `L${x(i)} 32Z` : ""}`;
  });
  return {line, area};
}
