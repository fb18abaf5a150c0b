package main

import (
	"fmt"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// spawn handles :sente-lite/spawn, whose data is what stands under a uid in
// :processes.
func (s *sidecar) spawn(edn []byte) ([]byte, *pipe.Error) {
	v, err := pack.DecodeEDN(edn)
	if err != nil {
		return nil, wireError(err)
	}
	var wrong []problem
	spec, ok := checkProcess(&report{to: &wrong}, keyPath{}, v, "uid")
	if !ok {
		return nil, spawnError(wrong)
	}
	uid, pid, bad := s.programs.Spawn(spec)
	if bad != nil {
		return nil, bad
	}
	b := pipe.AppendString([]byte("{:uid "), uid)
	if pid == 0 { // one for each user, and none yet
		return append(b, " :pid nil}"...), nil
	}
	return fmt.Appendf(b, " :pid %d}", pid), nil
}

// spawnError is all that is wrong with the data of a :sente-lite/spawn.
func spawnError(wrong []problem) *pipe.Error {
	lines := make([]string, len(wrong))
	for i, p := range wrong {
		lines[i] = strings.TrimPrefix(p.String(), ": ")
	}
	all := ConfigError{wrong}
	return &pipe.Error{
		Category: pipe.Incorrect, Code: "bad-data",
		Msg:  "the data of :sente-lite/spawn: " + strings.Join(lines, "; "),
		Hint: `like {:command ["bb" "worker.clj"] :uid "worker"}`,
		Data: "{:path " + wrong[0].path.String() + " :problems " + all.list() + "}",
	}
}

// startProcesses starts what stands under :processes. One that cannot be started
// is an error: nothing starts half-configured.
func (s *sidecar) startProcesses() *pipe.Error {
	for _, spec := range s.Config.Processes {
		if _, _, bad := s.programs.Spawn(spec); bad != nil {
			told := *bad
			told.Msg = fmt.Sprintf("%v: %s", pathOf("processes").then(show(spec.UID)), bad.Msg)
			return &told
		}
	}
	return nil
}

// optionsNow are options while others may change the configuration.
func (s *sidecar) optionsNow() transport.Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options()
}
