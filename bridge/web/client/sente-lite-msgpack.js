/**
 * sente-lite-msgpack.js: MessagePack for sente-lite.js, loaded before connect is called.
 *
 *   const s = SenteLite.connect({packer: "msgpack"});
 *   s.send("photo/taken", {jpeg: new Uint8Array(bytes)}); // as it is, without base64
 *
 * In Node: connect({packer: require("./sente-lite-msgpack.js"), …}).
 */
(function (root) {
  "use strict";

  const MAX_DEPTH = 512;

  // Of our own peers' extensions; the rest are Sente's.
  const [KEYWORD, SYMBOL, CHAR, RATIO, SET, CACHED, UUID, LIST, EDN_TEXT, INST] = [0, 1, 2, 3, 4, 8, 9, 16, 17, -1];

  // include msgpack-out.js
  // include msgpack-in.js

  /** Values as the JSON packer has them, but that some have more to say: see pack and unpack. */
  const msgpack = {name: "msgpack", pack, join, unpack, bundles};
  if (typeof module === "object" && module.exports) module.exports = msgpack;
  else root.SenteLiteMsgpack = msgpack;
})(globalThis);
