package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// venvEnv overrides where the SCIM server's Python virtual environment is.
const venvEnv = "JOINERY_SCIM_VENV"

// serverScript is looked for upwards from devenv itself and from the current directory.
var serverScript = filepath.Join("tools", "scim", "server.py")

func scim(args []string) (int, error) {
	flags := flag.NewFlagSet("devenv scim", flag.ContinueOnError)
	token := flags.String("token", "", "the bearer token that every request must carry (required)")
	port := flags.Int("port", 0, "listen on this port of 127.0.0.1; 0 takes a free one")
	users := flags.Int("users", 0, "start with this many made-up users")
	seed := flags.String("seed-file", "", "start with the users of this file, a JSON array of SCIM User resources")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), `Usage of devenv scim: prints {"baseURL", "port", "pid"} as one JSON line once it
serves. It never outlives who started it: with a pipe on stdin it stops when that
closes, else when the process that started it ends; and on SIGTERM.
`)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return exitUsage, quiet(err)
	}
	if *token == "" || flags.NArg() > 0 {
		return exitUsage, errors.New("scim: --token is required, and there are no arguments without a flag")
	}
	root, err := findRoot()
	if err != nil {
		return 1, err
	}
	venv := os.Getenv(venvEnv)
	if venv == "" {
		venv = filepath.Join(root, "target", "scim", "venv")
	}
	python := filepath.Join(venv, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		return 1, fmt.Errorf("scim: no virtual environment in %s (see tools/scim/requirements.txt, or set %s): %w", venv, venvEnv, err)
	}
	argv := []string{
		python, "-B", filepath.Join(root, serverScript), // -B: no __pycache__ in the source tree
		"--port", strconv.Itoa(*port), "--users", strconv.Itoa(*users),
	}
	if *seed != "" {
		argv = append(argv, "--seed-file", *seed)
	}
	// The token goes by environment: arguments are there for every user of the machine to read.
	env := append(os.Environ(), "JOINERY_SCIM_TOKEN="+*token)
	// Not a child but this very process: one pid, one stdin, nothing to leave behind.
	return 1, fmt.Errorf("scim: run %s: %w", python, syscall.Exec(python, argv, env))
}

func findRoot() (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	current, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for _, from := range []string{filepath.Dir(executable), current} {
		for dir := from; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, serverScript)); err == nil {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("scim: no %s above %s or %s", serverScript, executable, current)
}
