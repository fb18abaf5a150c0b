package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// spawn handles :sente-lite/spawn, whose data is what stands under a uid in
// :processes.
func (s *sidecar) spawn(edn []byte) ([]byte, *pipe.Error) {
	v, err := pack.DecodeEDN(edn)
	if err != nil {
		msg := err.Error()
		if e := (*pipe.SyntaxError)(nil); errors.As(err, &e) {
			msg = syntaxMessage(edn, e)
		}
		return nil, spawnError([]problem{{msg: msg}})
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

// checkProcesses looks for all that stands under :processes before anything is
// started or listened to.
func (s *sidecar) checkProcesses() *pipe.Error {
	for _, spec := range s.Config.Processes {
		if bad := s.programs.Check(spec); bad != nil {
			told := *processError(spec, bad)
			told.Code = "bad-config"
			return &told
		}
	}
	return nil
}

// startProcesses starts what stands under :processes. One that cannot be started
// ends the sidecar.
func (s *sidecar) startProcesses() *pipe.Error {
	for _, spec := range s.Config.Processes {
		if _, _, bad := s.programs.Spawn(spec); bad != nil {
			return processError(spec, bad)
		}
	}
	return nil
}

func processError(spec child.Spec, bad *pipe.Error) *pipe.Error {
	told := *bad
	told.Msg = fmt.Sprintf("%v: %s", pathOf("processes").then(show(spec.UID)), bad.Msg)
	return &told
}

// optionsNow are options while others may change the configuration.
func (s *sidecar) optionsNow() transport.Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options()
}
