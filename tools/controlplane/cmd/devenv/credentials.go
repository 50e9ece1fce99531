package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity is far more than any run, and short enough that a leaked file is worth nothing.
const validity = 7 * 24 * time.Hour

// credentials are made anew for every control plane.
type credentials struct {
	ca                []byte // PEM
	caFile            string
	certFile, keyFile string // what the API server serves with
	serviceAccountKey string
	tokenFile         string
	adminToken        string
	managerToken      string
}

func makeCredentials(dir string) (*credentials, error) {
	c := &credentials{
		caFile:            filepath.Join(dir, "ca.crt"),
		certFile:          filepath.Join(dir, "kube-apiserver.crt"),
		keyFile:           filepath.Join(dir, "kube-apiserver.key"),
		serviceAccountKey: filepath.Join(dir, "service-account.key"),
		tokenFile:         filepath.Join(dir, "tokens.csv"),
		adminToken:        randomHex(),
		managerToken:      randomHex(),
	}
	if err := c.makeServingCertificate(); err != nil {
		return nil, fmt.Errorf("make the serving certificate: %w", err)
	}
	if _, err := makeKey(c.serviceAccountKey); err != nil {
		return nil, fmt.Errorf("make the service account key: %w", err)
	}
	tokens := fmt.Sprintf("%s,admin,admin,system:masters\n%s,system:kube-controller-manager,kube-controller-manager\n",
		c.adminToken, c.managerToken)
	return c, os.WriteFile(c.tokenFile, []byte(tokens), 0o600)
}

func (c *credentials) makeServingCertificate() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caTemplate := template("joinery-devenv-ca")
	caTemplate.IsCA, caTemplate.BasicConstraintsValid = true, true
	caTemplate.KeyUsage = x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, caTemplate, caTemplate, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	key, err := makeKey(c.keyFile)
	if err != nil {
		return err
	}
	leaf := template("kube-apiserver")
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.DNSNames = []string{"localhost", "kubernetes.default.svc"}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, caTemplate, key.Public(), caKey)
	if err != nil {
		return err
	}
	c.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	if err := os.WriteFile(c.caFile, c.ca, 0o600); err != nil {
		return err
	}
	return os.WriteFile(c.certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}), 0o600)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(validity),
	}
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func randomHex() string {
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // documented never to fail
	return hex.EncodeToString(secret)
}

// writeKubeconfig embeds the CA, so that the file works wherever it is copied.
func (c *credentials) writeKubeconfig(path, server, user, token string) error {
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: devenv
clusters:
- name: devenv
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    token: %s
contexts:
- name: devenv
  context:
    cluster: devenv
    user: %s
`, server, base64.StdEncoding.EncodeToString(c.ca), user, token, user)
	return os.WriteFile(path, []byte(content), 0o600)
}
