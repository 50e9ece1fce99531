package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// startTimeout: 3 to 5 s is normal on two free cores; this is for busy ones.
	startTimeout = 90 * time.Second
	pollInterval = 50 * time.Millisecond
)

// auditPolicy records who did what to which object with which result, once per request.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// controllers are those that something here relies on; none of them knows nodes.
var controllers = []string{
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"root-ca-certificate-publisher-controller",
	"clusterrole-aggregation-controller",
	"namespace-controller",
	"garbage-collector-controller",
}

// controlPlane is a running etcd, kube-apiserver and, where there is one, kube-controller-manager.
type controlPlane struct {
	dir        string
	kubeconfig string
	died       chan *process
	etcd       *process
	others     []*process // who needs etcd to stop cleanly

	server  string
	creds   *credentials
	client  *http.Client
	signals <-chan os.Signal
}

func startControlPlane(bin assets, dir string, signals <-chan os.Signal) (*controlPlane, error) {
	creds, err := makeCredentials(dir)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(creds.ca)
	c := &controlPlane{
		dir:        dir,
		kubeconfig: filepath.Join(dir, "admin.kubeconfig"),
		died:       make(chan *process, 3), // never blocks: one per component
		server:     fmt.Sprintf("https://127.0.0.1:%d", ports[2]),
		creds:      creds,
		client: &http.Client{
			Timeout:   5 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		},
		signals: signals,
	}
	if err := c.start(bin, ports[0], ports[1], ports[2]); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *controlPlane) start(bin assets, clientPort, peerPort, securePort int) error {
	if err := c.startEtcd(bin, clientPort, peerPort); err != nil {
		return err
	}
	// The API server retries until etcd answers: no need to wait in between.
	if err := c.startAPIServer(bin, clientPort, securePort); err != nil {
		return err
	}
	if err := c.await("/readyz"); err != nil {
		return err
	}
	if err := c.creds.writeKubeconfig(c.kubeconfig, c.server, "admin", c.creds.adminToken); err != nil {
		return err
	}
	if bin.controllerManager == "" {
		fmt.Fprintf(os.Stderr, "devenv: no kube-controller-manager in %s: namespaces will not finish, "+
			"owned objects stay, namespaces get no default service account\n", bin.dir)
		return nil
	}
	if err := c.startControllerManager(bin); err != nil {
		return err
	}
	// Made by the controller-manager: with it there, the controllers run.
	return c.await("/api/v1/namespaces/default/serviceaccounts/default")
}

func (c *controlPlane) startEtcd(bin assets, clientPort, peerPort int) error {
	data := filepath.Join(c.dir, "etcd")
	// Data of an earlier run in the same --dir would come with other keys.
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", clientPort), fmt.Sprintf("http://127.0.0.1:%d", peerPort)
	var err error
	c.etcd, err = start(c.dir, bin.etcd, "etcd", c.died,
		"--name=devenv", "--data-dir="+data,
		"--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=devenv="+peer,
		"--log-level=warn",
	)
	return err
}

func (c *controlPlane) startAPIServer(bin assets, etcdPort, securePort int) error {
	policy := filepath.Join(c.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	audit := filepath.Join(c.dir, "audit.log")
	if err := os.RemoveAll(audit); err != nil {
		return err
	}
	return c.startOther(bin.apiserver, "kube-apiserver",
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", etcdPort),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", securePort),
		"--tls-cert-file="+c.creds.certFile, "--tls-private-key-file="+c.creds.keyFile,
		"--authorization-mode=RBAC",
		"--token-auth-file="+c.creds.tokenFile,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.creds.serviceAccountKey,
		"--service-account-signing-key-file="+c.creds.serviceAccountKey,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--endpoint-reconciler-type=none", // an Endpoints object cannot hold 127.0.0.1
		"--audit-policy-file="+policy,
		"--audit-log-path="+audit,
		"--audit-log-maxsize=4096", // MiB: one file, never rotated under a reader
	)
}

func (c *controlPlane) startControllerManager(bin assets) error {
	kubeconfig := filepath.Join(c.dir, "kube-controller-manager.kubeconfig")
	if err := c.creds.writeKubeconfig(kubeconfig, c.server, "kube-controller-manager", c.creds.managerToken); err != nil {
		return err
	}
	return c.startOther(bin.controllerManager, "kube-controller-manager",
		"--kubeconfig="+kubeconfig,
		"--controllers="+strings.Join(controllers, ","),
		"--use-service-account-credentials",
		"--service-account-private-key-file="+c.creds.serviceAccountKey,
		"--root-ca-file="+c.creds.caFile,
		"--leader-elect=false",
		"--secure-port=0",
	)
}

func (c *controlPlane) startOther(binary, name string, args ...string) error {
	p, err := start(c.dir, binary, name, c.died, args...)
	if err == nil {
		c.others = append(c.others, p)
	}
	return err
}

// await asks for path until the answer is 200, a component ends or time is up.
func (c *controlPlane) await(path string) error {
	timeout := time.After(startTimeout)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case p := <-c.died:
			return p.unexpectedEnd()
		case <-c.signals:
			return errInterrupted
		case <-timeout:
			return fmt.Errorf("%s%s did not answer 200 within %s; the end of the API server's log:\n%s",
				c.server, path, startTimeout, tail(filepath.Join(c.dir, "kube-apiserver.log")))
		case <-tick.C:
			if c.answers(path) {
				return nil
			}
		}
	}
}

func (c *controlPlane) answers(path string) bool {
	request, err := http.NewRequest(http.MethodGet, c.server+path, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+c.creds.adminToken)
	response, err := c.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// stop ends etcd last: without it the API server waits in vain while it shuts down.
func (c *controlPlane) stop() {
	c.client.CloseIdleConnections()
	stop(c.others...)
	if c.etcd != nil {
		stop(c.etcd)
	}
}

// freePorts holds all ports open until it has enough, so that they differ.
func freePorts(n int) (ports []int, err error) {
	for range n {
		listener, listenErr := net.Listen("tcp4", "127.0.0.1:0")
		if listenErr != nil {
			return nil, listenErr
		}
		defer func() { err = errors.Join(err, listener.Close()) }()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
