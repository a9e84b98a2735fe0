//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/smoke"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// floodVariable asks for the long form: as many requests as a machine makes in 15 s, and each attack once more
// while a learner is served.
const floodVariable = "FLOOD"

// attack is what strangers on the host do to the shipped stack at once.
type attack struct {
	stalled  int           // uploads that send almost all and then nothing
	sessions int           // requests for sessions
	within   time.Duration // all of them
}

// TestIntegrationServicesUnderFlood: stalled uploads to each service and a flood of session requests, first by
// those without the API's token, then by those who have it. Each service stays below half of its memory limit,
// redis evicts nothing, no container ends, and meanwhile a learner opens a session, is heard and hears the answer.
func TestIntegrationServicesUnderFlood(t *testing.T) {
	e, s, containers := shipped(t)
	a := attack{stalled: 60, sessions: 3000, within: 3 * time.Second}
	tokens := map[string]string{"with the token": apiToken(t, s)}
	if os.Getenv(floodVariable) != "" {
		a = attack{stalled: 200, sessions: 20_000, within: 15 * time.Second}
		tokens["without the token"] = "0123456789abcdef0123456789abcdef"
	}
	before := evicted(t, e, containers["redis"].ID)
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			peaks := watchMemory(ctx, t, e, containers)
			var out bytes.Buffer
			heard := make(chan error, 1)
			go func() {
				_, err := smoke.Run(ctx, e, s.Project, ui.New(&out))
				heard <- err
			}()
			answers := a.run(ctx, t, s, token)
			if ctx.Err() != nil {
				t.Error("uploads that stall are held until the client gives up")
			}
			if err := <-heard; err != nil {
				t.Errorf("the learner was not served: %v\n%s", err, out.String())
			}
			t.Logf("%d sessions asked for in %s: %v", a.sessions, answers.took.Round(time.Millisecond),
				answers.String())
			for service, peak := range peaks() {
				limit := containers[service].HostConfig.Memory
				t.Logf("%-20s %4d of %5d MiB", service, peak>>20, limit>>20)
				if peak == 0 || peak > uint64(limit/2) {
					t.Errorf("%s took %d MiB of %d", service, peak>>20, limit>>20)
				}
			}
			answers.judge(t, name == "with the token")
		})
	}
	if after := evicted(t, e, containers["redis"].ID); after != before {
		t.Errorf("redis has evicted something: %s, before %s", after, before)
	}
	_, _, now := shipped(t)
	for service, c := range now {
		was := containers[service]
		if c.ID != was.ID || c.State.StartedAt != was.State.StartedAt || c.State.OOMKilled {
			t.Errorf("%s has ended meanwhile: %+v", service, c.State)
		}
	}
}

func apiToken(t *testing.T, s *compose.Model) string {
	t.Helper()
	text, err := os.ReadFile(s.Project.Secrets["api_token"].File)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answered counts the answers to the session requests by status.
type answered struct {
	took   time.Duration
	status [600]atomic.Int64
	failed atomic.Int64 // no answer: the connection was closed
}

// String lists what there was.
func (a *answered) String() string {
	var parts []string
	for status := range a.status {
		if n := a.status[status].Load(); n > 0 {
			parts = append(parts, fmt.Sprintf("%d×%d", n, status))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d without an answer", a.failed.Load())), ", ")
}

// judge: who has no token opens nothing, and who has it opens as many as one client may.
func (a *answered) judge(t *testing.T, token bool) {
	t.Helper()
	opened, refused := a.status[http.StatusCreated].Load(), a.status[http.StatusUnauthorized].Load()
	if !token && (opened > 0 || refused == 0) {
		t.Errorf("without the token %d sessions were opened and %d refused", opened, refused)
	}
	if most := 30 + int64(a.took.Seconds()+1); token && (opened == 0 || opened > most) {
		t.Errorf("with the token one client opened %d sessions, want 1 to %d", opened, most)
	}
}

// run does it all and returns when every upload has ended and every request is answered.
func (a attack) run(ctx context.Context, t *testing.T, s *compose.Model, token string) *answered {
	t.Helper()
	var work sync.WaitGroup
	for _, target := range []struct {
		service, path, media, start string
		length                      int
	}{
		{
			"whisper-stt", "/v1/audio/transcriptions", "multipart/form-data; boundary=b",
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n", 25 << 20,
		},
		{"azure-tts", "/v1/speech", "application/json", `{"text":"`, 128 << 10},
		{"api-backend", "/v1/sessions", "application/json", `{"language":"`, 4 << 10},
		// LiveKit itself reads a body to its end before it asks who sends it.
		{"livekit", "/twirp/livekit.RoomService/ListRooms", "application/json", `{"names":["`, 64 << 10},
		{"livekit", "/twirp/livekit.RoomService/ListRooms", "application/json", `{"names":["`, 25 << 20},
	} {
		address := published(t, s, target.service)
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: "+
			"%s\r\nContent-Length: %d\r\n\r\n%s",
			target.path, address, token, target.media, target.length, target.start)
		for range a.stalled {
			work.Go(func() { stall(ctx, address, head, target.length-len(target.start)-1) })
		}
	}
	answers := &answered{}
	a.flood(ctx, answers, "http://"+published(t, s, "api-backend")+"/v1/sessions", token)
	work.Wait()
	return answers
}

// stall sends the head, then length bytes as long as they are taken, and waits until it is cut off.
func stall(ctx context.Context, address, head string, length int) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	go func() {
		_, err := io.WriteString(conn, head)
		for chunk := make([]byte, 256<<10); err == nil && length > 0; length -= len(chunk) {
			_, err = conn.Write(chunk[:min(length, len(chunk))])
		}
	}()
	_, _ = io.Copy(io.Discard, conn)
}

func (a attack) flood(ctx context.Context, answers *answered, url, token string) {
	const workers = 32
	began := time.Now()
	var next atomic.Int64
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(a.sessions) || ctx.Err() != nil {
					return
				}
				time.Sleep(time.Until(began.Add(a.within * time.Duration(n) / time.Duration(a.sessions))))
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
				if err != nil {
					return
				}
				request.Header.Set("Content-Type", "application/json")
				request.Header.Set("Authorization", "Bearer "+token)
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					answers.failed.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				answers.status[response.StatusCode].Add(1)
			}
		})
	}
	work.Wait()
	answers.took = time.Since(began)
}

// published is the address on the host of a service's port.
func published(t *testing.T, s *compose.Model, service string) string {
	t.Helper()
	for _, port := range s.Project.Services[service].Ports {
		return net.JoinHostPort(port.HostIP, port.Published)
	}
	t.Fatalf("%s publishes no port", service)
	return ""
}

// watchMemory samples until the function that it returns is called, which gives each service's peak in bytes,
// without the page cache that the kernel can drop.
func watchMemory(ctx context.Context, t *testing.T, e *engine.Engine,
	containers map[string]container.InspectResponse,
) func() map[string]uint64 {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	var mutex sync.Mutex
	var work sync.WaitGroup
	peaks := map[string]uint64{}
	for service, c := range containers {
		work.Go(func() {
			for ctx.Err() == nil {
				got, err := e.ContainerStats(ctx, c.ID, client.ContainerStatsOptions{})
				if err != nil {
					continue
				}
				var stats container.StatsResponse
				err = json.NewDecoder(got.Body).Decode(&stats)
				_ = got.Body.Close()
				if err != nil {
					continue
				}
				used := stats.MemoryStats.Usage - max(stats.MemoryStats.Stats["inactive_file"],
					stats.MemoryStats.Stats["total_inactive_file"])
				mutex.Lock()
				peaks[service] = max(peaks[service], used)
				mutex.Unlock()
			}
		})
	}
	return func() map[string]uint64 {
		stop()
		work.Wait()
		return peaks
	}
}

// evicted is redis's own count of the keys that it dropped for want of memory.
func evicted(t *testing.T, e *engine.Engine, id string) string {
	t.Helper()
	done, err := engine.Exec(t.Context(), e, id,
		[]string{"sh", "-c", "REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli info stats"})
	if err != nil || done.Code != 0 {
		t.Fatalf("asking redis: %v %s", err, done.Stderr)
	}
	for line := range strings.Lines(done.Stdout) {
		if strings.HasPrefix(line, "evicted_keys:") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no evicted_keys in %q", done.Stdout)
	return ""
}
