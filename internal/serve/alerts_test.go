package serve

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestAlertsAreTested(t *testing.T) {
	asked := ""
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Path }))
	defer hook.Close()
	t.Setenv("GOOD_HOOK", hook.URL+"/s3cr3t")
	t.Setenv("BAD_HOOK", "http://127.0.0.1:1/s3cr3t")
	alerts := func(variables ...string) *types.Project {
		var list []any
		for _, name := range variables {
			list = append(list, map[string]any{"webhook": map[string]any{"environment": name}})
		}
		return &types.Project{Name: "shop", Extensions: types.Extensions{
			extension.Key: map[string]any{"alerts": list},
		}}
	}
	var out bytes.Buffer
	err := testAlerts(t.Context(), alerts("GOOD_HOOK", "BAD_HOOK", "NO_HOOK"), ui.New(&out))
	if err == nil || asked != "/s3cr3t" ||
		!strings.Contains(out.String(), "the webhook of variable GOOD_HOOK was told") {
		t.Fatalf("got %v, %q: %s", err, asked, &out)
	}
	for _, want := range []string{
		"telling the webhook of variable BAD_HOOK: it refuses the connection", `the variable "NO_HOOK" is not set`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing: %v", want, err)
		}
	}
	if strings.Contains(err.Error()+out.String(), "s3cr3t") {
		t.Errorf("the address is shown: %v, %s", err, &out)
	}
	if err := testAlerts(t.Context(), alerts("GOOD_HOOK"), ui.New(&out)); err != nil {
		t.Error(err)
	}
	if err := testAlerts(t.Context(), alerts(), ui.New(&out)); err == nil ||
		!strings.Contains(err.Error(), "nobody who gets alerts") {
		t.Error(err)
	}
}
