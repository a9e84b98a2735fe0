package fault

import (
	"errors"
	"fmt"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
)

// TestRegistryRefusals holds what engines 20.10 and later say of registries.
func TestRegistryRefusals(t *testing.T) {
	for text, want := range map[string]RegistryRefusal{
		`Get "https://r.example/v2/": dial tcp: lookup r.example on 1.1.1.1:53: no such host`:  RegistryAway,
		`Get "https://10.0.0.1:5000/v2/": dial tcp 10.0.0.1:5000: connect: connection refused`: RegistryAway,
		`Get "https://r.example/v2/": net/http: TLS handshake timeout`:                         RegistryAway,
		`Get "https://r.example/v2/": context deadline exceeded`:                               RegistryAway,
		`Get "https://10.0.0.1:5000/v2/": http: server gave HTTP response to HTTPS client`:     RegistryPlain,
		`Get "https://r/v2/": x509: certificate signed by unknown authority`:                   RegistryUntrusted,
		`tls: failed to verify certificate: x509: certificate is valid for a, not b`:           RegistryUntrusted,
		`unauthorized: authentication required`:                                                RegistryDenies,
		`no basic auth credentials`:                                                            RegistryDenies,
		`denied: requested access to the resource is denied`:                                   RegistryDenies,
		`errors:\ndenied: requested access to the resource\nunauthorized: authentication`:      RegistryDenies,
		`pull access denied for x, repository does not exist or may require 'docker login'`:    RegistryDenies,
		`manifest unknown: manifest unknown`:                                                   RegistryLacks,
		`name unknown: repository name not known to registry`:                                  RegistryLacks,
		`received unexpected HTTP status: 500`:                                                 OtherRegistryRefusal,
	} {
		if got := RegistryRefusalOf(errors.New(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	for err, want := range map[error]RegistryRefusal{
		nil: OtherRegistryRefusal,
		fmt.Errorf("x: %w", cerrdefs.ErrNotFound):        RegistryLacks,
		fmt.Errorf("x: %w", cerrdefs.ErrUnauthenticated): RegistryDenies,
	} {
		if got := RegistryRefusalOf(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
