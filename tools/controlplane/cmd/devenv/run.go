package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// commandGrace is how long COMMAND may take to stop once it was told to.
	commandGrace = 10 * time.Second
	// startAttempts: a free port can be taken between its choice and its use.
	startAttempts = 3
)

var errInterrupted = errors.New("interrupted while the control plane was starting")

func run(args []string) (int, error) {
	flags := flag.NewFlagSet("devenv run", flag.ContinueOnError)
	dir := flags.String("dir", "", "keep kubeconfig, logs and data here (default: a temporary directory, removed at the end)")
	assetsDir := flags.String("assets", "", "directory with etcd, kube-apiserver, kubectl and kube-controller-manager\n(default: $KUBEBUILDER_ASSETS, else where devenv itself is)")
	if err := flags.Parse(args); err != nil {
		return exitUsage, quiet(err)
	}
	command := flags.Args()
	if len(command) == 0 {
		return exitUsage, errors.New("run: name a command after --")
	}
	bin, err := findAssets(*assetsDir)
	if err != nil {
		return 1, err
	}
	work, err := openWorkdir(*dir)
	if err != nil {
		return 1, err
	}
	defer work.close()

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	plane, err := startWithRetry(bin, work.path, signals)
	if err != nil {
		return 1, err
	}
	defer plane.stop()
	return runCommand(command, plane, bin, signals)
}

func startWithRetry(bin assets, dir string, signals <-chan os.Signal) (*controlPlane, error) {
	for attempt := 1; ; attempt++ {
		began := time.Now()
		plane, err := startControlPlane(bin, dir, signals)
		if err == nil {
			fmt.Fprintf(os.Stderr, "devenv: control plane ready in %.1f s, KUBECONFIG=%s\n",
				time.Since(began).Seconds(), plane.kubeconfig)
			return plane, nil
		}
		if attempt == startAttempts || !strings.Contains(err.Error(), "address already in use") {
			return nil, fmt.Errorf("start the control plane: %w", err)
		}
	}
}

// runCommand runs COMMAND until it ends, is told to stop, or loses its control plane.
func runCommand(command []string, plane *controlPlane, bin assets, signals <-chan os.Signal) (int, error) {
	path := bin.searchPath(os.Getenv("PATH"))
	// exec.Command looks in this process's PATH.
	if err := os.Setenv("PATH", path); err != nil {
		return 1, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+plane.kubeconfig, "JOINERY_CONTROLPLANE_DIR="+plane.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		// What a shell answers for a command it cannot find or run.
		return 127, fmt.Errorf("run %s: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	var overdue <-chan time.Time
	var lost error
	for {
		select {
		case err := <-ended:
			return exitCode(err), lost
		case died := <-plane.died:
			if lost == nil {
				lost = died.unexpectedEnd()
				_ = cmd.Process.Signal(syscall.SIGTERM)
				overdue = time.After(commandGrace)
			}
		case sig := <-signals:
			// A terminal has already sent its Ctrl-C to the whole foreground group.
			if sig != syscall.SIGINT || !isTerminal(os.Stdin) {
				_ = cmd.Process.Signal(sig)
			}
			if overdue == nil {
				overdue = time.After(commandGrace)
			}
		case <-overdue:
			fmt.Fprintf(os.Stderr, "devenv: %s did not stop within %s, killing it\n", command[0], commandGrace)
			_ = cmd.Process.Kill()
		}
	}
}

// exitCode is the command's own code, or 128+n when signal n ended it, as shells have it.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// quiet drops an error that the flag package has already printed.
func quiet(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	target, err := filepath.EvalSymlinks(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	return err == nil && target != os.DevNull
}
