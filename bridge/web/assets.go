package web

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync"
)

// An Asset is a file of the program's own that a page may ask for, unless the
// folder of pages has one in its place.
type Asset struct {
	Type string                 // its Content-Type
	Make func() ([]byte, error) // called once, when it is first asked for
}

// newAssets serves the assets, and what pages serves; pages may be nil.
func newAssets(cfg Config, pages http.Handler, coded *codings) http.Handler {
	made := map[string]func() (asset, error){}
	for path, a := range cfg.Assets {
		made[path] = sync.OnceValues(func() (asset, error) {
			data, err := a.Make()
			return newAsset(strings.TrimPrefix(path, "/"), a.Type, data), err
		})
	}
	if pages == nil {
		pages = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get := made[r.URL.Path]
		if get == nil || cfg.Pages != nil && !absent(cfg.Pages, strings.TrimPrefix(r.URL.Path, "/")) {
			pages.ServeHTTP(w, r)
			return
		}
		a, err := get()
		if err != nil {
			cfg.Log.Error("a file of the program's own cannot be made", "path", r.URL.Path, "error", err)
			http.Error(w, "this file cannot be made: see the log of sente-lite", http.StatusInternalServerError)
			return
		}
		coded.serveAsset(w, r, a)
	})
}

// absent reports whether a folder has no such file: one that cannot be looked
// at, such as a link that leads out, is there.
func absent(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return errors.Is(err, fs.ErrNotExist)
}
