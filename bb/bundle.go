package bb

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Scittle returns what a page in Scittle loads to have the library: all the
// namespaces that sente-lite.core needs there, each after those that it needs
// itself, without comments and docstrings. It ends in the namespace user, where
// the page's own scripts begin.
func Scittle(version string) ([]byte, error) {
	return bundle(files, "src", "sente-lite.core", version)
}

// ScittleMore returns what a page loads behind that for what few pages need: the
// options :packer and :gzip, and make-buffered-sender.
func ScittleMore(version string) ([]byte, error) {
	return extend(files, "src", "sente-lite.core", "sente-lite.page-more", version)
}

// copyright is LICENSE's line, which copies are to keep.
const copyright = "Copyright (c) 2026 The sente-lite authors"

func bundle(files fs.FS, root, start, version string) ([]byte, error) {
	return extend(files, root, "", start, version)
}

// extend makes the bundle of start without what that of loaded has.
func extend(files fs.FS, root, loaded, start, version string) ([]byte, error) {
	b := &bundler{files: files, roots: []string{root}, platform: OnScittle, follow: isOurs}
	have := 0
	for _, name := range []string{loaded, start} {
		if name == "" {
			continue
		}
		have = len(b.loaded)
		if err := b.add(name, nil); err != nil {
			return nil, fmt.Errorf("bb: the bundle for Scittle: %w", err)
		}
	}
	out := fmt.Appendf(nil, ";; sente-lite %s for Scittle. %s. MIT license: https://github.com/sente-lite/sente-lite\n", version, copyright)
	called := map[string]string{}
	for _, f := range b.loaded[have:] {
		forms, err := Minify(f.file, WithoutDocs(f.forms), called)
		if err != nil {
			return nil, fmt.Errorf("bb: the bundle for Scittle: %w", err)
		}
		out = AppendForms(out, forms)
	}
	// A namespace form holds for the scripts that come after, too.
	return append(out, "(ns user)\n"...), nil
}

// isOurs reports whether a namespace is in a bundle where another requires it.
func isOurs(name string) bool { return strings.HasPrefix(name, "sente-lite.") }

// A bundler collects namespaces in the order in which they are to be loaded.
type bundler struct {
	files    fs.FS
	roots    []string
	platform Platform
	follow   func(name string) bool // whether a namespace that is required is collected
	loaded   []loaded
}

// A loaded file is complete: what it requires stands before it.
type loaded struct {
	name, file string
	forms      []Form
}

// add adds a namespace and what it requires. by are those that wait for it.
func (b *bundler) add(name string, by []string) error {
	if slices.ContainsFunc(b.loaded, func(l loaded) bool { return l.name == name }) {
		return nil
	}
	if slices.Contains(by, name) {
		return fmt.Errorf("namespaces require each other: %s", strings.Join(append(by, name), " → "))
	}
	by = append(by[:len(by):len(by)], name)
	file, src, err := b.find(name)
	if err != nil {
		if len(by) > 1 {
			err = fmt.Errorf("%w (required by %s)", err, by[len(by)-2])
		}
		return err
	}
	forms, err := Read(file, src)
	if err == nil {
		forms, err = b.platform.Select(file, forms)
	}
	if err != nil {
		return err
	}
	ns, ok := Namespace(forms)
	if !ok || ns.Name != name {
		return fmt.Errorf("%s: it begins with the namespace %q, expected (ns %s …)", file, ns.Name, name)
	}
	for _, r := range ns.Requires {
		if b.follow(r.Name) {
			if err := b.add(r.Name, by); err != nil {
				return err
			}
		}
	}
	b.loaded = append(b.loaded, loaded{name, file, forms})
	return nil
}

// find returns the file that the platform would load for a namespace.
func (b *bundler) find(name string) (file string, src []byte, err error) {
	below := strings.ReplaceAll(strings.ReplaceAll(name, "-", "_"), ".", "/")
	for _, root := range b.roots {
		for _, ending := range b.platform.Endings {
			file = path.Join(root, below) + ending
			src, err = fs.ReadFile(b.files, file)
			if !errors.Is(err, fs.ErrNotExist) {
				return file, src, err
			}
		}
	}
	return "", nil, fmt.Errorf("the namespace %s has no file for %s: expected %s in %s with one of %s",
		name, b.platform.Name, below, strings.Join(b.roots, ", "), strings.Join(b.platform.Endings, ", "))
}
