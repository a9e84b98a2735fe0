package stepnet

import "os"

// bundles are where distributions keep the CA bundle, as crypto/x509 knows them.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
	"/etc/ssl/cert.pem",                                 // macOS, Alpine
}

// CABundle is the path of the host's CA bundle, which builds get as the secret "ca": what SSL_CERT_FILE names, else
// where the distribution keeps it. Empty where there is none.
func CABundle() string {
	for _, path := range append([]string{os.Getenv("SSL_CERT_FILE")}, bundles...) {
		if info, err := os.Stat(path); path != "" && err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			return path
		}
	}
	return ""
}
