//go:build integration

package integration

// parityShape is a stack that docker compose and we take turns on.
type parityShape struct {
	name  string
	files []string // names and contents in turn; a YAML file begins with keep
	env   []string // NAME=value
	image string   // a tag of the test's image for the time of the test; %s is the project
	quiet bool     // no container writes a line
}

// keep is the base of a service that says a word and runs on, and stops at once; end that of one that ends.
const keep = `x-keep: &keep
  image: debian:bookworm-slim
  init: true
  stop_grace_period: 1s
  command: [sh, -c, "echo spoken; sleep 1000000"]
x-end: &end {image: debian:bookworm-slim, command: echo spoken}
`

// parityShapes begins with the six of the short form.
var parityShapes = []parityShape{
	{name: "env-file", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, env_file: [a.env, {path: raw.env, format: raw}, {path: none.env, required: false}]}
`,
		"a.env", "A=1\nB=${A}-${HOME}\n", "raw.env", "C=\"$A\"\n",
	}},
	{name: "dotenv-names-the-files", files: []string{
		".env", "COMPOSE_FILE=stack/one.yaml:stack/two.yaml\nTAG=bookworm-slim\nCOMPOSE_PROFILES=more\n",
		"stack/one.yaml", `
services:
  a: *keep
  b: {<<: *keep, image: "debian:${TAG}", profiles: [more]}
`,
		"stack/two.yaml", `
services:
  a: {environment: {TAG: , OTHER: "${OTHER:-unset}"}, volumes: ["./data:/data"]}
`,
	}},
	{name: "configs-and-secrets", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, configs: [file, inline, {source: variable, target: /c}], secrets: [file, variable]}
configs:
  file: {file: ./c}
  inline: {content: "${COMPOSE_PROJECT_NAME} $$x"}
  variable: {environment: VALUE}
secrets:
  file: {file: ./s}
  variable: {environment: VALUE}
`,
		"c", "c", "s", "s", ".env", "VALUE=of dotenv\n",
	}},
	{name: "waits", files: []string{
		"compose.yaml", `
services:
  db: {<<: *keep, healthcheck: {test: "true", interval: 1s}}
  job: {<<: *end, depends_on: {db: {condition: service_healthy}}}
  web:
    <<: *keep
    depends_on:
      job: {condition: service_completed_successfully}
      db: {condition: service_healthy, restart: true}
`,
	}},
	{name: "include-and-extends", files: []string{
		"compose.yaml", `
include: [{path: sub/inner.yaml, env_file: sub/other.env}]
services:
  a: {extends: {file: base.yaml, service: base}, labels: {own: 1}}
`,
		"compose.override.yaml", "services: {a: {depends_on: [inner], environment: !override {A: 2}}}\n",
		"base.yaml", "services: {base: {<<: *keep, environment: {A: 1}, label_file: l}}\n", "l", "FROM=file\n",
		"sub/inner.yaml", `
services:
  inner: {<<: *keep, image: "debian:${TAG}", volumes: ["./x:/x", "vol:/v"]}
volumes: {vol: }
`,
		"sub/other.env", "TAG=bookworm-slim\n",
	}},
	{
		name: "built-for-the-default-platform", image: "%s-a", env: []string{"DOCKER_DEFAULT_PLATFORM=linux/amd64"},
		files: []string{
			"compose.yaml", `
services:
  a: {build: ., init: true, stop_grace_period: 1s, command: [sh, -c, "echo spoken; sleep 1000000"]}
`,
			"Dockerfile", "FROM debian:bookworm-slim\n",
		},
	},
	{name: "plain", files: []string{"compose.yaml", "services: {a: {<<: *keep, depends_on: [b]}, b: *keep}\n"}},
	{name: "networks", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, networks: {front: {aliases: [one, two], priority: 10}, back: }}
  b: {<<: *keep, networks: [back]}
networks:
  front: {driver_opts: {com.docker.network.bridge.enable_icc: "true"}, labels: {a: b}}
  back: {internal: true}
`,
	}},
	{name: "mounts", files: []string{
		"compose.yaml", `
services:
  a:
    <<: *keep
    tmpfs: ["/t:size=1m"]
    volumes:
      - vol:/v
      - ./d:/d:ro
      - /anonymous
      - {type: tmpfs, target: /u, tmpfs: {size: 1m}}
      - {type: volume, source: other, target: /w, volume: {nocopy: true}}
volumes: {vol: {labels: {a: b}}, other: }
`,
		"d/x", "x",
	}},
	{name: "scaled", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, scale: 3}
  b: {<<: *keep, deploy: {replicas: 2}}
  none: {<<: *keep, scale: 0}
`,
	}},
	{name: "profiles", env: []string{"COMPOSE_PROFILES=x,y"}, files: []string{
		"compose.yaml", "services: {a: {<<: *keep, profiles: [x]}, b: {<<: *keep, profiles: [z]}, c: *keep}\n",
	}},
	{name: "ports", files: []string{
		"compose.yaml", `
services:
  a:
    <<: *keep
    ports: ["127.0.0.1::80", {target: 81, protocol: udp, host_ip: 127.0.0.1}]
    expose: [82, "90-92"]
`,
	}},
	{name: "shared-namespaces", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, ipc: shareable, volumes: [/data]}
  b: {<<: *keep, network_mode: "service:a", ipc: "service:a", pid: "service:a", volumes_from: ["a:ro"]}
`,
	}},
	{name: "links", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, links: ["b:alias"]}
  b: {<<: *keep, container_name: "${COMPOSE_PROJECT_NAME}.b"}
`,
	}},
	{name: "hooks", files: []string{
		"compose.yaml", `
services:
  a: {<<: *keep, post_start: [{command: touch /post, user: root}], pre_stop: [{command: ["true"]}]}
`,
	}},
	{name: "limits", files: []string{
		"compose.yaml", `
services:
  a:
    <<: *keep
    cpus: 0.5
    mem_limit: 64m
    mem_reservation: 32m
    pids_limit: 50
    shm_size: 16m
    ulimits: {nofile: {soft: 100, hard: 200}}
    sysctls: {net.core.somaxconn: 100}
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    security_opt: ["no-new-privileges:true"]
    read_only: true
    oom_score_adj: 100
  b: {<<: *keep, deploy: {resources: {limits: {cpus: "0.5", memory: 64m, pids: 50}, reservations: {memory: 32m}}}}
`,
	}},
	{name: "hosts", files: []string{
		"compose.yaml", `
services:
  a:
    <<: *keep
    hostname: h
    domainname: example.org
    extra_hosts: ["x=1.2.3.4", "y:::1"]
    dns: 1.1.1.1
    dns_search: [a.b]
    dns_opt: [use-vc]
`,
	}},
	{name: "process", quiet: true, files: []string{
		"compose.yaml", `
services:
  a:
    image: debian:bookworm-slim
    entrypoint: sleep
    command: ["1000000"]
    working_dir: /tmp
    user: "1000:1000"
    group_add: ["44"]
    tty: true
    stdin_open: true
    stop_signal: SIGKILL
    restart: on-failure:3
    logging: {driver: json-file, options: {max-size: 1m}}
    labels: {a: , b: 1}
    environment: {A: , B: "$$x", C: é}
`,
	}},
	{name: "jobs-that-end", files: []string{"compose.yaml", "services: {done: *end, a: *keep}\n"}},
	{name: "anchors-and-tags", files: []string{
		"compose.yaml", `
x-base: &base {<<: *keep, expose: ["80"], dns: [1.1.1.1], x-note: kept}
services:
  a: *base
  UPPER.case_1: *base
`,
		"compose.override.yaml", "services: {a: {expose: !reset []}, UPPER.case_1: {dns: !override [\"8.8.8.8\"]}}\n",
	}},
	{
		name: "compatibility", env: []string{"COMPOSE_COMPATIBILITY=1"},
		files: []string{"compose.yaml", "services: {a: *keep}\n"},
	},
}
