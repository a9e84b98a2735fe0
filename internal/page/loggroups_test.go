package page

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/logerrors"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// TestLogsAreNotShownUnasked has a snapshot that quotes a log: without -logs nobody who asks or follows gets that.
func TestLogsAreNotShownUnasked(t *testing.T) {
	const secret = "order of ann@example.test failed"
	snapshot := someSnapshot()
	snapshot.Services[0].Log = monitor.LogErrors{Total: 3}
	snapshot.Services[0].Log.Groups = []logerrors.Group{{Template: secret, Count: 3}}
	for _, logs := range []func(context.Context, string) ([]string, error){
		nil, func(context.Context, string) ([]string, error) { return nil, nil },
	} {
		from := fixed{snapshot: snapshot, sent: make(chan monitor.Snapshot, 1)}
		s := New(Options{
			Project: "shop", Address: address, Token: NewToken(), Every: time.Second, From: from, Logs: logs,
		})
		from.sent <- snapshot
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		s.Run(ctx)
		cancel()
		asked := call(s, "GET", "/snapshot.json", nil).Body.String()
		events, _, _ := s.journal.after(0)
		followed := ""
		for _, e := range events {
			followed += string(e.data)
		}
		for what, text := range map[string]string{"asked": asked, "followed": followed} {
			if !strings.Contains(text, `"errors_total":3`) && !strings.Contains(text, `"errors_total": 3`) {
				t.Errorf("%s: no count in %s", what, text)
			}
			if quoted := strings.Contains(text, secret); quoted != (logs != nil) {
				t.Errorf("%s: the log is quoted: %t, with -logs: %t", what, quoted, logs != nil)
			}
		}
	}
	if snapshot.Services[0].Log.Groups == nil {
		t.Error("the observer's own snapshot was changed")
	}
}
