package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe/pack"
)

// A secret's file larger than this is another file.
const maxSecretFile = 64 << 10

// A secretSource says where a secret is: exactly one of its fields is set.
type secretSource struct {
	Env, File, Literal string
}

// secretFields are the keys of a source: :token-env, :token-file and :token, of a
// token.
func secretFields(what string) []string {
	return []string{what + "-env", what + "-file", what}
}

// secretSource reads the source of a secret in a map.
func (r *report) secretSource(at keyPath, fields map[any]any, what string) (s secretSource, fine bool) {
	fine = true
	sources := 0
	into := []*string{&s.Env, &s.File, &s.Literal}
	names := secretFields(what)
	for i, name := range names {
		value, said := fields[pack.Keyword(name)]
		if !said {
			continue
		}
		sources++
		var isText bool
		if *into[i], isText = value.(string); !isText || *into[i] == "" {
			fine = r.add(at.then(pack.Keyword(name)), "found %s; allowed: a string that is not empty", whatIs(value))
		}
	}
	if sources != 1 {
		fine = r.add(at, "found %s of :%s, :%s and :%s; allowed: exactly one", strconv.Itoa(sources), names[0], names[1], names[2])
	}
	if _, said := fields[pack.Keyword(what)]; said && r.flag {
		fine = r.add(at.then(pack.Keyword(what)), "a secret never comes from a flag, where others can read it; allowed: :%s or :%s", names[0], names[1])
	}
	return s, fine
}

// Secret finds a secret, which where names: "the variable X". No error has any of
// it.
func (l *Loader) secret(s secretSource, what string) (secret, where string, err error) {
	switch {
	case s.Literal != "":
		return s.Literal, "it", nil
	case s.Env != "":
		var ok bool
		where = "the variable " + s.Env
		if secret, ok = l.environ(s.Env); !ok {
			return "", "", fmt.Errorf("%s is not set; it should have the %s", where, what)
		}
	default:
		where = "the file " + s.File
		if secret, err = secretFile(s.File, what); err != nil {
			return "", "", err
		}
	}
	if secret == "" {
		return "", "", fmt.Errorf("%s is empty; it should have the %s", where, what)
	}
	return secret, where, nil
}

// secretFile reads a file that has a secret, and nothing but a line's end behind
// it.
func secretFile(name, what string) (string, error) {
	where := "the file " + name
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read; it should have the %s", where, what)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecretFile {
		return "", fmt.Errorf("%s is no file with a %s: it is larger than %d bytes or no plain file", where, what, maxSecretFile)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read; it should have the %s", where, what)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// More keys than this are no rotation.
const maxCipherKeys = 8

// A cipherKey is one of :encryption :keys as it is written.
type cipherKey struct {
	secretSource

	at keyPath
}

type cipherKeysKind struct{}

func (cipherKeysKind) allowed() string {
	return fmt.Sprintf(`a vector of up to %d keys, like [{:key-env "CHAT_KEY"}], each 16, 24 or 32 bytes in base64`, maxCipherKeys)
}

func (k cipherKeysKind) check(r *report, at keyPath, v any) (any, bool) {
	all, ok := v.([]any)
	if !ok {
		return nil, r.add(at, "found %s; allowed: %s", whatIs(v), k.allowed())
	}
	if len(all) > maxCipherKeys {
		return nil, r.add(at, "found %d keys; allowed: %s", len(all), k.allowed())
	}
	keys := []cipherKey{}
	for i, m := range all {
		at := at.then(i)
		fields, isMap := m.(map[any]any)
		if !isMap {
			ok = r.add(at, "found %s; allowed: a map, like {:key-env \"CHAT_KEY\"}", whatIs(m))
			continue
		}
		known := r.known(at, fields, secretFields("key")...)
		source, fine := r.secretSource(at, fields, "key")
		ok = ok && known && fine
		keys = append(keys, cipherKey{source, at})
	}
	return keys, ok
}

// cipherKeys finds the keys of :encryption.
func (l *Loader) cipherKeys() (keys [][]byte, wrong []problem) {
	said := l.said["encryption/keys"]
	all, _ := said.value.([]cipherKey)
	said.by.to = &wrong
	seen := map[string]bool{}
	for _, k := range all {
		text, where, err := l.secret(k.secretSource, "key")
		if err != nil {
			said.by.add(k.at, "%v", err)
			continue
		}
		key, err := base64.StdEncoding.DecodeString(text)
		n := len(key)
		switch {
		case err != nil:
			said.by.add(k.at, "%s is not base64; allowed: 16, 24 or 32 bytes in base64, as \"openssl rand -base64 32\" prints", where)
		case n != 16 && n != 24 && n != 32:
			said.by.add(k.at, "%s has %d bytes in base64; allowed: 16, 24 or 32, as \"openssl rand -base64 32\" prints", where, n)
		case seen[string(key)]:
			said.by.add(k.at, "the same key stands there twice; allowed: each once")
		default:
			seen[string(key)] = true
			keys = append(keys, key)
		}
	}
	return keys, wrong
}
