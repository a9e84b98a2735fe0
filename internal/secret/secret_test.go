package secret

import "testing"

func TestHeld(t *testing.T) {
	for variable, want := range map[[2]string]bool{
		{"LEVEL", "debug"}: false, {"VERSION", "1.2.3"}: false, {"URL", "http://db:5432/shop"}: false,
		{"JAVA_OPTS", "-Xmx512m -XX:+UseG1GC"}: false, {"HOSTS", "redis-1,redis-2,redis-3,redis-4"}: false,
		{"DB_PASSWORD", "x"}: true, {"API_KEY", "x"}: true, {"Token", ""}: true, {"PGPASS", "x"}: true,
		{"AUTH", "x"}: true, {"URL", "http://u:p@db/"}: true, {"SETTING", "ghp16C7e42F292c6912E"}: true,
		{"SETTING", "a=1;b=Zm9vYmFyYmF6cXV4MTIz"}: true, {"PIN", "1"}: true, {"SPINS", "1"}: false,
	} {
		if got := Held(variable[0], variable[1]); got != want {
			t.Errorf("%s=%s: %v, want %v", variable[0], variable[1], got, want)
		}
	}
}

func TestTold(t *testing.T) {
	for of, want := range map[[2]string]bool{
		{"image", "ghp16C7e42F292c6912E"}: true, {"image", "https://u:p@host/x"}: false,
		{"environment.LEVEL", "low"}: true, {"environment.TOKEN", "low"}: false, {"command", "serve"}: false,
		{"labels.x", "1"}: false, {"healthcheck.test", "x"}: false, {"healthcheck.interval", "1s"}: true,
		{"deploy.replicas", "2"}: true, {"deploy.labels.x", "1"}: false, {"logging.options.token", "x"}: false,
		{"logging.driver", "local"}: true, {"entrypoint", "x"}: false, {"secrets[s].source", "s"}: true,
	} {
		if got := Told(of[0], of[1]); got != want {
			t.Errorf("%s %s: %v, want %v", of[0], of[1], got, want)
		}
	}
}

func TestMasked(t *testing.T) {
	for line, want := range map[string]string{
		"RUN x TOKEN=abc make":         "RUN x TOKEN=… make",
		"ENV API_KEY='a b' LEVEL=low":  "ENV API_KEY=… LEVEL=low",
		"ENV DB_PASSWORD hunter2 x":    "ENV DB_PASSWORD …",
		"  env token abc":              "  env token …",
		"ENV LEVEL low":                "ENV LEVEL low",
		"RUN make A=1 B=\"two words\"": "RUN make A=1 B=\"two words\"",
		"ARG dbPass=\"x y\"":           "ARG dbPass=…",
	} {
		if got := Masked(line); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}
