// How values are written in messages: as JSON, or as a packer of the page's own has them.

/**
 * A form is {name, pack(value) → text or bytes, join(packed) → the bundle of several, unpack(data) → value,
 * bundles(data): whether what cannot be read may be a bundle}. What pack throws says which part of a value it cannot have.
 */
const JSON_FORM = {
  name: "json",
  pack(value) {
    const at = []; // [holder, key] down to what is being written
    try {
      return JSON.stringify(value);
    } catch (e) {
      try {
        JSON.stringify(value, function (key, inner) {
          at.splice(at.findIndex(([holder]) => holder === this) >>> 0, Infinity, [this, key]);
          return inner;
        });
      } catch { /* the last is why */ }
      throw new TypeError(`${JSON.stringify(at.slice(1).map((p) => p[1]))}: ${e.message}`);
    }
  },
  join: (texts) => `["batch/events",[${texts}]]`,
  unpack: (data) => JSON.parse(typeof data === "string" ? data : textOf(data)),
  bundles: (data) => typeof data !== "string" || /^\s*\[\s*"batch\/events"/.test(data),
};

const sizeOf = (packed) => bytesOf(packed).length;

function formOf(packer) {
  const form = packer === "json" ? JSON_FORM : packer === "msgpack" ? root.SenteLiteMsgpack : packer;
  if (form?.unpack) return form;
  throw new TypeError(`connect: no packer ${packer}; load sente-lite-msgpack.js before, in Node give {packer: require(it)}`);
}
