//go:build peers

package bb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gzipPage connects with :gzip, sends itself something large through a channel, and
// says how that went. %s are scripts before the library and behind it.
const gzipPage = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script>
  const send = WebSocket.prototype.send
  window.binary = false
  WebSocket.prototype.send = function (m) { if (typeof m !== "string") window.binary = true; return send.call(this, m) }
</script>
%s
<script src="scittle.js"></script>
<script type="application/x-scittle" src="/sente-lite.cljs"></script>
%s
<script type="application/x-scittle">
  (require '[clojure.string :as str] '[sente-lite.core :as s])
  (def told (atom []))
  (def large (str/join (repeat 2000 "large ")))
  (defn options [gzip?] (cond-> {:token "client-ada" :persist false :on-error (fn [e] (swap! told conj (:code e)))} gzip? (assoc :gzip true)))
  (def refused (try (s/connect! (options true)) nil (catch :default e (ex-message e))))
  (when refused (s/connect! (options false)))
  (defn say [done]
    (println "@gzip" (pr-str {:same (= large done) :binary js/window.binary :told @told :refused refused})))
  (s/subscribe! "gzip" (fn [{:keys [data]}] (say data)))
  (s/on! :chsk/state (fn [{[_ new] :data}] (when (= :open (:phase new)) (s/publish! "gzip" large))))
</script>
`

const (
	withoutStreams = `<script>delete window.CompressionStream; delete window.DecompressionStream</script>`
	more           = `<script type="application/x-scittle" src="/sente-lite-more.cljs"></script>`

	// fixtures are what the functions say in this page: of what Go has compressed,
	// of our own, of a bomb.
	functions = `<script type="application/x-scittle">
  (require '[sente-lite.bytes :as bytes] '[sente-lite.gzip :as gzip])
  (def failed (fn [e] (:code (ex-data e))))
  (.then (js/Promise.all #js [(gzip/ungzip-string (bytes/unbase64 "H4sIFAAAAAAA/wMAAQIDYSBjb21tZW50AAAUAOv/R3LDvMOfZSwg5LiW55WMIPCfmIABAAD//xV2pQgUAAAA"))
                              (.then (gzip/gzip-string "text") gzip/ungzip-string)
                              (-> (gzip/gzip (js/Uint8Array. 3000000)) (.then gzip/ungzip) (.catch failed))
                              (-> (gzip/gzip (js/Uint8Array. 1000)) (.then (fn [b] (gzip/ungzip b 999))) (.catch failed))
                              (-> (gzip/ungzip (bytes/unbase64 "H4sIAAAAAAAAA3MvOrzn8PxUHYUnO6Y9n9qj8GH+jAYAFnalCBQAAAA=")) (.catch failed))])
         (fn [all] (println "@functions" (pr-str (vec all))))
         (fn [e] (println "@functions" (ex-message e))))
</script>`
)

// TestGzipOfPages connects pages with and without what gzip takes: the connection
// is there in any case, and says plainly what is missing.
func TestGzipOfPages(t *testing.T) {
	pakos := map[string][]byte{}
	for name, file := range map[string]string{"pako2.js": "pako/dist/pako.min.js", "pako3.js": "pako3/dist/browser/pako.umd.min.js"} {
		js, err := os.ReadFile("../testdata/npm/node_modules/" + file)
		if err != nil {
			t.Fatal(err)
		}
		pakos[name] = js
	}
	works := `["Grüße, 世界 😀" "text" :sente-lite/too-large :sente-lite/too-large :sente-lite/bad-gzip]`
	for _, tt := range []struct {
		name, before, behind string
		gzip, functions      string
		says                 string // on the console
	}{
		{"streams", "", more + functions, `{:same true, :binary true, :told [], :refused nil}`, works, ""},
		{"pako 2", withoutStreams + `<script src="pako2.js"></script>`, more + functions, `{:same true, :binary true, :told [], :refused nil}`, works, ""},
		{"pako 3", withoutStreams + `<script src="pako3.js"></script>`, more + functions, `{:same true, :binary true, :told [], :refused nil}`, works, ""},
		{"neither", withoutStreams, more + functions, `{:same true, :binary false, :told [:sente-lite/no-gzip], :refused nil}`,
			"sente-lite: gzip: this browser has no CompressionStream, and the page has not loaded pako", "sente-lite: connecting without :gzip: this browser has no CompressionStream, and the page has not loaded pako"},
		{"not loaded", "", "", `:refused "sente-lite: the option :packer or :gzip needs one more script in the page: src=\"/sente-lite-more.cljs\", behind \"/sente-lite.cljs\""}`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range map[string][]byte{"scittle.js": scittleJS(t), "pako2.js": pakos["pako2.js"], "pako3.js": pakos["pako3.js"], "index.html": fmt.Appendf(nil, gzipPage, tt.before, tt.behind)} {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), suiteTime)
			defer cancel()
			var all, gzip, functions string
			_, err := browse(t, ctx, serve(t, ctx, dir), func(text string) bool {
				all += text + "\n"
				if rest, ok := strings.CutPrefix(text, "@gzip "); ok {
					gzip = rest
				}
				if rest, ok := strings.CutPrefix(text, "@functions "); ok {
					functions = rest
				}
				return gzip != "" && (functions != "" || tt.functions == "")
			})
			if err != nil || !strings.Contains(gzip, tt.gzip) || !strings.Contains(functions, tt.functions) || !strings.Contains(all, tt.says) {
				t.Errorf("%v; the page says\n%s\nexpected\n%s\n%s\n%s", err, all, tt.gzip, tt.functions, tt.says)
			}
		})
	}
}
