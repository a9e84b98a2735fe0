package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// settings is the part of livekit-server's configuration that the stack decides; field names
// and meanings are those of its config-sample.yaml.
type settings struct {
	Port int `yaml:"port"`
	// Only livekit-front reaches the HTTP port, from within the container.
	BindAddresses []string          `yaml:"bind_addresses"`
	Redis         redisSettings     `yaml:"redis"`
	RTC           rtcSettings       `yaml:"rtc"`
	Keys          map[string]string `yaml:"keys"`
	Logging       loggingSettings   `yaml:"logging"`
}

// innerPort is where livekit-front finds the server.
const innerPort = 7980

type redisSettings struct {
	Address  string `yaml:"address"`
	Password string `yaml:"password"`
}

type rtcSettings struct {
	TCPPort int `yaml:"tcp_port"`
	UDPPort int `yaml:"udp_port"`
	// Both kinds of client are served: services in the network through the container's own
	// address, browsers on the host through 127.0.0.1 and the published ports. The latter needs
	// the loopback candidate, since the container's address isn't routed on Docker Desktop.
	EnableLoopbackCandidate bool `yaml:"enable_loopback_candidate"`
	// With ICE lite the server offers just these addresses and asks no public STUN server for
	// others; clients, who know how to reach it, do the checks.
	UseICELite    bool `yaml:"use_ice_lite"`
	UseExternalIP bool `yaml:"use_external_ip"`
}

type loggingSettings struct {
	JSON  bool   `yaml:"json"`
	Level string `yaml:"level"`
}

// fromEnvironment builds the settings from REDIS_ADDR, REDIS_PASSWORD_FILE, LIVEKIT_KEYS_FILE,
// LIVEKIT_TCP_PORT (default 7881), LIVEKIT_UDP_PORT (default 7882) and LIVEKIT_LOG_LEVEL (default
// info). The two ports must be published under the same numbers: candidates carry them.
func fromEnvironment(getenv func(string) string) (*settings, error) {
	address := getenv("REDIS_ADDR")
	if address == "" {
		return nil, fmt.Errorf("configuring livekit: REDIS_ADDR is not set (want host:port)")
	}
	password, err := secret(getenv, "REDIS_PASSWORD_FILE")
	if err != nil {
		return nil, err
	}
	keyText, err := secret(getenv, "LIVEKIT_KEYS_FILE")
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(keyText)
	if err != nil {
		return nil, err
	}
	tcp, err := port(getenv, "LIVEKIT_TCP_PORT", 7881)
	if err != nil {
		return nil, err
	}
	udp, err := port(getenv, "LIVEKIT_UDP_PORT", 7882)
	if err != nil {
		return nil, err
	}
	level := getenv("LIVEKIT_LOG_LEVEL")
	if level == "" {
		level = "info"
	}
	return &settings{
		Port:          innerPort,
		BindAddresses: []string{"127.0.0.1"},
		Redis:         redisSettings{Address: address, Password: password},
		RTC:           rtcSettings{TCPPort: tcp, UDPPort: udp, EnableLoopbackCandidate: true, UseICELite: true},
		Keys:          keys,
		Logging:       loggingSettings{JSON: true, Level: level},
	}, nil
}

func port(getenv func(string) string, variable string, otherwise int) (int, error) {
	text := getenv(variable)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("configuring livekit: %s=%q is not a port", variable, text)
	}
	return int(n), nil
}

func secret(getenv func(string) string, variable string) (string, error) {
	path := getenv(variable)
	if path == "" {
		return "", fmt.Errorf("configuring livekit: %s is not set (want the path of a secret file)", variable)
	}
	content, err := os.ReadFile(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return "", fmt.Errorf("configuring livekit: reading %s: %w", variable, err)
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return "", fmt.Errorf("configuring livekit: the file of %s, %q, is empty", variable, path)
	}
	return text, nil
}

// minSecretLength is livekit-server's own limit, checked here because its message names no file.
const minSecretLength = 32

// parseKeys reads livekit's key file, a YAML map of API key to secret. Its errors never quote
// what was read.
func parseKeys(text string) (map[string]string, error) {
	keys := map[string]string{}
	if err := yaml.Unmarshal([]byte(text), &keys); err != nil || len(keys) == 0 {
		return nil, fmt.Errorf(`configuring livekit: LIVEKIT_KEYS_FILE must hold "key: secret" lines, with the space`)
	}
	for key, value := range keys {
		if len(value) < minSecretLength {
			return nil, fmt.Errorf("configuring livekit: the secret of key %q in LIVEKIT_KEYS_FILE has %d characters, want at least %d",
				key, len(value), minSecretLength)
		}
	}
	return keys, nil
}

// write stores the settings at path for its owner only, also where an older file lies there.
func (s *settings) write(path string) error {
	content, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("rendering livekit configuration: %w", err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("replacing livekit configuration: %w", err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("writing livekit configuration: %w", err)
	}
	return nil
}
