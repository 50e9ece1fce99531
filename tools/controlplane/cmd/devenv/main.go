// Command devenv starts what tests and the demo run against: a real Kubernetes
// control plane without nodes, and real SCIM 2.0 servers.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
)

const usage = `devenv starts what Joinery's tests and demo run against.

  devenv run [--dir DIR] [--assets DIR] -- COMMAND [ARG...]
      Start etcd, kube-apiserver and kube-controller-manager, run COMMAND
      with KUBECONFIG set, stop everything, exit with COMMAND's exit code.

  devenv scim --token TOKEN [--port PORT] [--users N] [--seed-file FILE]
      Start one SCIM 2.0 server on 127.0.0.1 and print where it listens.

'devenv run -h' and 'devenv scim -h' explain the options.
`

// exitUsage is what the flag package and most shells use for a wrong call.
const exitUsage = 2

func init() {
	// Pdeathsig follows the OS thread that forked, not the process. The main
	// thread lives as long as the process, and every child is started from here.
	runtime.LockOSThread()
}

func main() {
	code, err := dispatch(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		code = 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "devenv: %v\n", err)
		if code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

func dispatch(args []string) (int, error) {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage, nil
	}
	switch args[0] {
	case "run":
		return run(args[1:])
	case "scim":
		return scim(args[1:])
	case "help", "-h", "--help":
		fmt.Print(usage)
		return 0, nil
	}
	return exitUsage, fmt.Errorf("no subcommand %q; there are run and scim", args[0])
}
