package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a component may take from SIGTERM to its end.
const stopGrace = 5 * time.Second

// process is one component of the control plane, logging to its own file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
}

// start must run on the main goroutine: see init in main.go.
func start(dir, binary, name string, died chan<- *process, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Its own process group, so that Ctrl-C in a terminal does not stop it before COMMAND.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
		died <- p
	}()
	return p, nil
}

// stop ends the processes together: SIGTERM, then SIGKILL for who has not gone.
func stop(processes ...*process) {
	for _, p := range processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	deadline := time.After(stopGrace)
	for _, p := range processes {
		select {
		case <-p.done:
		case <-deadline:
			for _, late := range processes {
				_ = late.cmd.Process.Kill()
			}
			for _, late := range processes {
				<-late.done
			}
			return
		}
	}
}

// unexpectedEnd says how the process ended and what it said last.
func (p *process) unexpectedEnd() error {
	return fmt.Errorf("%s ended unexpectedly (%s); the end of its log %s:\n%s",
		p.name, p.cmd.ProcessState, p.log, tail(p.log))
}

// tail is short enough for a terminal; the file itself may be gone when one reads it.
func tail(path string) string {
	const lines = 20
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
