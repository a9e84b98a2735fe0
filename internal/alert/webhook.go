package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/extension"
)

const (
	webhookTimeout = 10 * time.Second
	mostRetryAfter = time.Hour
	mostAnswer     = 64 << 10 // read of an answer, so that the connection can be used again; nothing of it is shown
)

// webhook is a receiver by HTTP. No error holds the address, which is a secret, or anything that the other side says.
type webhook struct {
	address func() (string, error)
	format  string
}

// client follows no redirect: the address that it leads to is nobody's choice here.
var client = &http.Client{
	Timeout:       webhookTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (w webhook) send(ctx context.Context, e Event) error {
	address, err := w.address()
	if err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("what is there is no address: https:// or http://, a host and a path, on one line")
	}
	body, headers, err := shape(w.format, e)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("what is there is no address that a request can be sent to")
	}
	request.Header.Set("User-Agent", "compose-mage")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return reason(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer)
	return judge(response.StatusCode, response.Header.Get("Retry-After"), time.Now())
}

// judge says what the status of an answer means.
func judge(status int, retryAfter string, now time.Time) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return fmt.Errorf("it answers with a redirect (%d), which is not followed: name the address that it leads to",
			status)
	}
	err := fmt.Errorf("it answers with status %d", status)
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return refused{err}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if after := waitFor(retryAfter, now); after > 0 {
			return later{err, after}
		}
	}
	return err
}

// waitFor reads Retry-After: seconds, or a date.
func waitFor(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return min(time.Duration(max(0, min(seconds, int(mostRetryAfter/time.Second))))*time.Second, mostRetryAfter)
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(0, date.Sub(now)), mostRetryAfter)
	}
	return 0
}

// reason tells why nothing was answered, by the kind of the error alone: the library's texts hold the address.
func reason(err error) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var slow interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &certificate):
		return errors.New("its certificate is not trusted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("it refuses the connection")
	case errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("it did not answer within %s", webhookTimeout)
	case errors.As(err, &name):
		return errors.New("its name is not found")
	}
	return errors.New("the connection failed")
}

// shape gives the body and the headers of a request.
func shape(format string, e Event) (body []byte, headers map[string]string, err error) {
	switch format {
	case extension.FormatSlack:
		escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;") // no mention of <!channel>
		body, err = json.Marshal(map[string]string{"text": escape.Replace(e.Title() + "\n" + text(e))})
	case extension.FormatNtfy:
		priority, tag := "4", "warning"
		switch {
		case e.Status == StatusResolved:
			priority, tag = "2", "white_check_mark"
		case e.Status == StatusTest:
			priority, tag = "3", "test_tube"
		case e.Severity == "failure" || atOnce[e.Finding]:
			priority = "5"
		}
		title := strings.Map(func(r rune) rune { // of a header
			if r < ' ' || r > '~' {
				return '?'
			}
			return r
		}, e.Title())
		return []byte(text(e)), map[string]string{"Title": title, "Priority": priority, "Tags": tag}, nil
	default:
		body, err = json.Marshal(e)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("writing the event: %w", err)
	}
	return body, map[string]string{"Content-Type": "application/json"}, nil
}

// text is an event for people.
func text(e Event) string {
	out := e.Evidence
	if e.Remedy != "" && e.Status == StatusFiring {
		out += "\nnext: " + e.Remedy
	}
	if e.Status == StatusResolved {
		out = "no more: " + out
	}
	return out
}
