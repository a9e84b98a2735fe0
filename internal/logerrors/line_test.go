package logerrors

import (
	"strings"
	"testing"
)

// lines are real ones of many programs: ! begins those that are an error, in front of the template after →.
const lines = `
nginx
! 2026/11/27 08:00:01 [error] 31#31: *17 open() "/usr/share/nginx/html/x" failed (2: No such file or directory), client: 172.18.0.1 → open() "*" failed (*: No such file or directory), client: *
! 2026/11/27 08:00:01 [emerg] 1#1: host not found in upstream "api" in /etc/nginx/conf.d/default.conf:3 → host not found in upstream "*" in /etc/nginx/conf.d/default.conf:*
! nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use) → bind() to * failed (*: Address already in use)
  2026/11/27 08:00:01 [notice] 1#1: start worker process 31
  2026/11/27 08:00:01 [warn] 31#31: an upstream response is buffered; error pages are off
  172.18.0.1 - - [27/Nov/2026:08:00:01 +0000] "GET /error HTTP/1.1" 404 153 "-" "curl/8.1" "-"
apache
! [Fri Nov 27 08:00:01.123456 2026] [core:error] [pid 31:tid 140] [client 172.18.0.1:33] AH00037: Symbolic link not allowed
  [Fri Nov 27 08:00:01.123456 2026] [mpm_event:notice] [pid 1:tid 140] AH00489: Apache/2.4.58 configured -- resuming
postgres
! 2026-11-27 08:00:01.123 UTC [31] ERROR:  relation "orders" does not exist at character 15 → relation "*" does not exist at character *
! 2026-11-27 08:00:01.123 UTC [31] FATAL:  password authentication failed for user "app" → password authentication failed for user "*"
! 2026-11-27 08:00:01.123 UTC [31] app@db PANIC:  could not write to file "pg_wal/xlogtemp.31": No space left on device
  2026-11-27 08:00:01.123 UTC [31] STATEMENT:  select * from errors
  2026-11-27 08:00:01.123 UTC [31] HINT:  No function matches. An error was raised.
  2026-11-27 08:00:01.123 UTC [1] LOG:  database system is ready to accept connections
redis
! 1:M 27 Nov 2026 08:00:01.123 # Can't save in background: fork: Cannot allocate memory → Can't save in background: fork: Cannot allocate memory
! 1:M 27 Nov 2026 08:00:01.123 # Background saving error → Background saving error
! 1:M 27 Nov 2026 08:00:01.123 # Fatal error, can't open config file '/etc/redis.conf': Permission denied
  1:C 27 Nov 2026 08:00:01.123 # WARNING overcommit_memory is set to 0! Background save may be slow.
  1:M 27 Nov 2026 08:00:01.123 * Ready to accept connections tcp
  1:M 27 Nov 2026 08:00:01.123 * 0 errors, 3 changes in 60 seconds. Saving...
mysql
! 2026-11-27T08:00:01.123456Z 0 [ERROR] [MY-010119] [Server] Aborting
  2026-11-27T08:00:01.123456Z 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed, error 0.
mongo
! {"t":{"$date":"2026-11-27T08:00:01.123+00:00"},"s":"E","c":"STORAGE","id":20557,"ctx":"initandlisten","msg":"DBException in initAndListen, terminating"} → DBException in initAndListen, terminating
  {"t":{"$date":"2026-11-27T08:00:01.123+00:00"},"s":"I","c":"NETWORK","id":22943,"ctx":"listener","msg":"Connection accepted","attr":{"error":"no"}}
java
! 2026-11-27T08:00:01.123Z ERROR 1 --- [nio-8080-exec-1] c.e.shop.OrderController : order 4711 failed → [nio-*-exec-*] c.e.shop.OrderController : order * failed
! 08:00:01.123 [main] ERROR com.example.App - Can't connect to 10.0.0.7:5432 → com.example.App - Can't connect to *
! [2026-11-27 08:00:01,123] ERROR [KafkaServer id=1] Fatal error during startup (kafka.server.KafkaServer)
! [2026-11-27T08:00:01,123][ERROR][o.e.b.Bootstrap ] [node-1] Exception
! SEVERE: Servlet.service() for servlet [jsp] threw exception → Servlet.service() for servlet [jsp] threw exception
! Exception in thread "main" java.lang.NullPointerException: x → Exception in thread "*" java.lang.NullPointerException: x
! java.lang.IllegalStateException: already closed → java.lang.IllegalStateException: already closed
  2026-11-27T08:00:01.123Z  INFO 1 --- [main] c.e.shop.App : Started in 2 s, 0 errors
  2026-11-27T08:00:01.123Z  WARN 1 --- [main] c.e.shop.App : ErrorPageFilter is not used
  [2026-11-27T08:00:01,123][INFO ][o.e.n.Node ] [node-1] error reporting is off
python
! ERROR:root:could not reach 10.0.0.7 → root:could not reach *
! CRITICAL:app.worker:out of workers → app.worker:out of workers
! 2026-11-27 08:00:01,123 - shop.orders - ERROR - order 17 not found → order * not found
! 2026-11-27 08:00:01,123 ERROR shop.orders: order 17 not found
! [2026-11-27 08:00:01,123: ERROR/ForkPoolWorker-1] Task shop.tasks.send[8f14e45f-ceea-467f-a0f6-9c1b2a3d4e5f] raised unexpected
! ERROR:    Exception in ASGI application → Exception in ASGI application
! [2026-11-27 08:00:01 +0000] [31] [ERROR] Exception in worker process
  INFO:     172.18.0.1:3322 - "GET /errors HTTP/1.1" 200 OK
  INFO:root:no error
  WARNING:root:error rate is low
  2026-11-27 08:00:01,123 - shop - INFO - errors: 0
node
! Error: connect ECONNREFUSED 127.0.0.1:5432 → Error: connect ECONNREFUSED *
! TypeError: Cannot read properties of undefined (reading 'id') → TypeError: Cannot read properties of undefined (reading '*')
! Uncaught Exception: boom
! {"level":50,"time":1764230401123,"pid":1,"hostname":"a","msg":"request failed","err":{"type":"Error","message":"boom 12","stack":"Error: boom"}} → request failed boom *
! {"level":"error","message":"order 12 failed","timestamp":"2026-11-27T08:00:01.123Z"} → order * failed
! error: order 12 failed {"service":"shop"} → order * failed {"*":"*"}
  {"level":30,"time":1764230401123,"pid":1,"msg":"no error"}
  info: 0 errors
  npm notice error handling has changed
go
! time=2026-11-27T08:00:01.123Z level=ERROR msg="query failed" err="dial tcp 10.0.0.7:5432: connect: connection refused" → query failed dial tcp *: connect: connection refused
! time="2026-11-27T08:00:01Z" level=error msg="failed to pull" → failed to pull
! time=2026-11-27T08:00:01.123Z level=fatal msg=bye
! {"time":"2026-11-27T08:00:01.123Z","level":"ERROR","msg":"query failed","error":"timeout after 12ms"} → query failed timeout after *
! {"level":"error","ts":1764230401.123,"caller":"a/b.go:12","msg":"query failed","error":"EOF","stacktrace":"main.main"} → query failed EOF
! {"level":"dpanic","ts":1764230401.123,"msg":"x"}
! 2026-11-27T08:00:01.123Z	ERROR	shop/main.go:12	query failed	{"id": 7}
! panic: runtime error: index out of range [5] with length 3 → panic: runtime error: index out of range [*] with length *
! fatal error: all goroutines are asleep - deadlock! → fatal error: all goroutines are asleep - deadlock!
! 8:00AM ERR query failed error="EOF" → query failed error="*"
! level=eror msg=x
  time=2026-11-27T08:00:01.123Z level=INFO msg="done" err=nil errors=0
  time=2026-11-27T08:00:01.123Z level=WARN msg="error=nil"
  {"time":"2026-11-27T08:00:01.123Z","level":"INFO","msg":"ERROR is a word","error":null}
  2026/11/27 08:00:01 finished with error=nil
  2026/11/27 08:00:01 0 errors
  2026/11/27 08:00:01 no errors found
  8:00AM INF 3 errors ignored
klog
! E1127 08:00:01.123456       1 reflector.go:138] Failed to watch *v1.Pod: the server is down
! F1127 08:00:01.123456       1 main.go:12] unable to start
  I1127 08:00:01.123456       1 main.go:12] error budget is 100 %
  W1127 08:00:01.123456       1 main.go:12] ERROR is near
dotnet
! fail: Microsoft.AspNetCore.Server.Kestrel[13] → Microsoft.AspNetCore.Server.Kestrel[*]
! crit: Microsoft.Extensions.Hosting[11]
! Unhandled exception. System.InvalidOperationException: boom → Unhandled exception. System.InvalidOperationException: boom
! [08:00:01 ERR] order 12 failed → order * failed
! [08:00:01 FTL] bye
! {"EventId":13,"LogLevel":"Error","Category":"Kestrel","Message":"Connection id 0HM failed","State":{}} → Connection id * failed
! {"@t":"2026-11-27T08:00:01.123Z","@mt":"order {Id} failed","@l":"Error","Id":12}
  info: Microsoft.Hosting.Lifetime[14]
  [08:00:01 INF] ERR is a word
  {"EventId":13,"LogLevel":"Information","Category":"Kestrel","Message":"error page"}
others
! {"@timestamp":"2026-11-27T08:00:01.123Z","log":{"level":"error"},"message":"boom"} → boom
! {"@timestamp":"2026-11-27T08:00:01.123Z","log.level":"ERROR","message":"boom"}
! {"msg":"request","error":"boom"} → request boom
! PHP Fatal error:  Uncaught Error: Call to undefined function x() in /var/www/a.php:3
! thread 'main' panicked at src/main.rs:2:5: → thread '*' panicked at src/main.rs:*:
! E, [2026-11-27T08:00:01.123 #1] ERROR -- : boom
! 08:00:01.123 [error] GenServer terminating
! [2026-11-27 08:00:01.123][1][critical][main] [source/server.cc:414] error initializing
! 2026-11-27 08:00:01.123 [error] <0.123.0> closing AMQP connection
! 2026-11-27 08:00:01,123 CRIT Supervisor is running as root
  {"msg":"request","error":null,"status":200}
  {"msg":"request","error":""}
  [2026-11-27 08:00:01.123][1][info][main] [source/server.cc:414] error log is /dev/null
  a sentence with the word error in it
  Error budget: 100 %
  failed: 0, passed: 12
  GET /ERROR 200
  user changed the level of ERROR messages
  {"an":"object"}
  {error}

  critical mass
`

func TestLinesOfManyPrograms(t *testing.T) {
	count := 0
	for line := range strings.Lines(lines) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) < 2 || line[1] != ' ' {
			continue
		}
		count++
		text, want, hasTemplate := strings.Cut(line[2:], " → ")
		var tr trace
		message, is := tr.errorOf([]byte(text))
		if is != (line[0] == '!') {
			t.Errorf("an error: %v: %s", is, text)
			continue
		}
		if got := templateOf(message); hasTemplate && got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	if count < 90 {
		t.Errorf("%d lines", count)
	}
}

// TestColours has a line as programs print it for a terminal.
func TestColours(t *testing.T) {
	var tr trace
	if message, is := tr.errorOf([]byte("\x1b[90m8:00AM\x1b[0m \x1b[31mERR\x1b[0m boom")); !is ||
		templateOf(message) != "boom" {
		t.Errorf("got %q, %v", message, is)
	}
}
