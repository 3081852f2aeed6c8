#!/usr/bin/env bash
# Makes this host an external instance of an Amazon ECS cluster (ECS Anywhere): SSM agent, Docker, amazon-ecs-init. `--help` lists the options.
set -Eeuo pipefail

# The key that signs the packages, and where keys come from: keys of the SSM agent rotate, so theirs is fetched at each installation.
ecs_fingerprint=${ECS_ANYWHERE_KEY_FINGERPRINT:-F34C3DDAE72926B079BEAEC6BCE9D9A42D51784F}
keyserver=${ECS_ANYWHERE_KEYSERVER:-hkps://keyserver.ubuntu.com}
ssm_key_url=${ECS_ANYWHERE_SSM_KEY_URL:-https://raw.githubusercontent.com/aws/amazon-ecs-agent/master/scripts/amazon-ssm-agent.gpg}
exec_version=3.3.4108.0 # of the programs of ECS Exec
root=${ECS_ANYWHERE_ROOT:-} # tests install below it

usage() {
	cat <<-USAGE
		Usage: $(basename "$0") --region REGION --activation-id ID --activation-code CODE [options]

		  --region REGION                 region of the cluster and of the activation
		  --activation-id ID              of the activation in Systems Manager
		  --activation-code CODE
		  --cluster NAME                  cluster to join (default: default)
		  --enable-gpu                    offer NVIDIA GPUs to tasks; needs a working nvidia-smi
		  --docker-install-source SOURCE  all, docker, distro or none (default: all, which is docker, else distro)
		  --ecs-version VERSION           version of amazon-ecs-init, such as 1.0.0-1 (default: latest)
		  --ecs-endpoint URL              endpoint of the ECS API
		  --certs-file FILE               bundle of CA certificates for ECS Exec
		  --skip-registration             the SSM agent is already installed and registered
		  --no-start                      install, but start nothing
		  --ip-compatibility ipv4|ipv6    addresses to download with (default: found out)
		  --help                          this text
	USAGE
}

say() { printf '\n# %s\n' "$*"; }
warn() { printf 'Warning: %s\n' "$*" >&2; }
fail() { # fail WHY...
	trap - ERR
	printf '%s\n\033[0;31mInstallation Failed\033[0m\n' "$*" >&2
	exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
has() { command -v "$1" >/dev/null; }

# --- options

region='' activation_id='' activation_code='' cluster=default gpu=false docker_source=all version=latest endpoint='' deb_url='' rpm_url=''
certificates='' registration=true verification=true start=true addresses=''

read_options() {
	local option
	while [ $# -gt 0 ]; do
		option=$1
		case $option in
		--help) usage && exit 0 ;;
		--enable-gpu) gpu=true ;;
		--skip-registration) registration=false ;;
		--skip-gpg-check) verification=false ;;
		--no-start) start=false ;;
		--region | --activation-id | --activation-code | --cluster | --docker-install-source | --ecs-version | --ecs-endpoint | --deb-url | --rpm-url | --certs-file | --ip-compatibility)
			[[ $# -gt 1 && -n $2 && $2 != --* ]] || fail "Option $option was passed an invalid value: ${2:-}. Perhaps you passed in an empty env var?"
			case $option in
			--region) region=$2 ;;
			--activation-id) activation_id=$2 ;;
			--activation-code) activation_code=$2 ;;
			--cluster) cluster=$2 ;;
			--docker-install-source) docker_source=$2 ;;
			--ecs-version) version=$2 ;;
			--ecs-endpoint) endpoint=$2 ;;
			--deb-url) deb_url=$2 ;;
			--rpm-url) rpm_url=$2 ;;
			--certs-file) certificates=$2 ;;
			--ip-compatibility) addresses=$2 ;;
			esac
			shift
			;;
		*) usage >&2 && fail "invalid option: [$option]" ;;
		esac
		shift
	done
	[ -n "$region" ] || fail '--region is required'
	if $registration && [[ -z $activation_id || -z $activation_code ]]; then
		fail '--activation-id and --activation-code are required, unless --skip-registration says that the SSM agent is registered already'
	fi
	case $docker_source in all | docker | distro | none) ;; *) fail "--docker-install-source must be all, docker, distro or none, not $docker_source" ;; esac
	case $addresses in '' | ipv4 | ipv6) ;; *) fail "--ip-compatibility must be ipv4 or ipv6, not $addresses" ;; esac
	[ -z "$certificates" ] || [ -r "$certificates" ] || fail "--certs-file: cannot read $certificates"
}

# --- the host

ssm_service=amazon-ssm-agent ssm_program=amazon-ssm-agent
id='' codename=''
machine='' debian_arch=''
manager=''

check_host() {
	[ "$(id -u)" = 0 ] || fail 'this script must run as root'
	[ -d "$root/run/systemd/system" ] || fail 'this host does not run systemd'
	machine=$(uname -m)
	case $machine in
	x86_64) debian_arch=amd64 ;;
	aarch64) debian_arch=arm64 ;;
	*) fail "unsupported architecture $machine: x86_64 and aarch64 are possible" ;;
	esac
	id=$(release ID)
	codename=$(release VERSION_CODENAME)
	if [ "$id" = rhel ] && [ "$docker_source" != none ]; then
		fail 'on Red Hat Enterprise Linux, install Docker yourself and use --docker-install-source none'
	fi
	for manager in dnf yum apt zypper none; do
		! has "$manager" || break
	done
	[ "$manager" != none ] || fail 'found none of the package managers dnf, yum, apt, zypper'
	if systemctl is-enabled --quiet snap.amazon-ssm-agent.amazon-ssm-agent.service 2>/dev/null; then
		ssm_service=snap.amazon-ssm-agent.amazon-ssm-agent.service ssm_program=/snap/amazon-ssm-agent/current/amazon-ssm-agent
	fi
	if ! $registration; then
		systemctl is-enabled --quiet "$ssm_service" 2>/dev/null || fail "--skip-registration: the service $ssm_service is not enabled"
	fi
	if $gpu; then
		{ has nvidia-smi && nvidia-smi >/dev/null; } || fail '--enable-gpu: nvidia-smi does not work; install the driver of NVIDIA first'
	fi
	[ -n "$addresses" ] || addresses=$(usable_addresses)
}

release() { # release NAME: a value of os-release
	sed -n "s/^$1=//p" "$root/etc/os-release" 2>/dev/null | tail -n 1 | tr -d "\"'"
}

usable_addresses() {
	if ! has ip; then
		warn 'there is no command ip: assuming that this host uses IPv4 (--ip-compatibility says otherwise)'
		echo ipv4
	elif [ -n "$(ip -6 route show default)" ] && [ -z "$(ip -4 route show default)" ]; then
		echo ipv6
	else
		echo ipv4
	fi
}

bucket() { # bucket NAME: the address of a bucket in the region
	local suffix=amazonaws.com dualstack=''
	[ "$addresses" != ipv6 ] || dualstack=dualstack.
	case $region in
	cn-*) suffix=amazonaws.com.cn ;;
	eusc-*) suffix=amazonaws.eu dualstack='' ;;
	esac
	printf 'https://s3.%s%s.%s/%s-%s' "$dualstack" "$region" "$suffix" "$1" "$region"
}

# --- tools

# Readable by everybody: apt reads packages as a user of its own.
work=$(mktemp -d)
chmod 0755 "$work"
trap 'rm -rf "$work"' EXIT

download() { # download FILE URL
	curl --fail --silent --show-error --location --retry 5 --connect-timeout 20 --output "$1" "$2" || fail "could not download $2"
	chmod 0644 "$1"
}

install_packages() { # from repositories
	case $manager in
	apt) DEBIAN_FRONTEND=noninteractive apt-get install -y "$@" ;;
	*) "$manager" install -y "$@" ;;
	esac
}

install_file() {
	case $manager in
	apt) DEBIAN_FRONTEND=noninteractive apt-get install -y --allow-downgrades "$1" ;;
	zypper) zypper --non-interactive install --allow-unsigned-rpm "$1" ;;
	*) "$manager" install -y "$1" ;;
	esac
}

install_tools() {
	say 'Tools'
	case $manager in
	apt) apt-get update && install_packages jq curl ;;
	yum)
		if [ "$id" != amzn ]; then
			install_packages epel-release
		fi
		install_packages jq
		;;
	*) install_packages jq ;;
	esac
	has openssl || install_packages openssl
	if $verification && ! has gpg; then
		install_packages gnupg || install_packages gnupg2 || install_packages gpg2 || true
		has gpg || fail 'gpg is needed to verify what is downloaded; install it, or use --skip-gpg-check'
	fi
}

verify() { # verify FILE SIGNATURE KEY: KEY is a file, or the fingerprint of a key that a server has
	$verification || return 0
	local keys=$work/keys
	rm -rf "$keys"
	mkdir -m 0700 "$keys"
	if [ -f "$3" ]; then
		gpg --homedir "$keys" --batch --quiet --import "$3"
	else
		gpg --homedir "$keys" --batch --quiet --keyserver "$keyserver" --recv-keys "$3" || fail "could not fetch the key $3 from $keyserver"
	fi
	gpg --homedir "$keys" --batch --quiet --verify "$2" "$1" || fail "the signature of $(basename "$1") is not good"
}

# --- steps

package_form() { [ "$manager" = apt ] && echo deb || echo rpm; }

set_up_ssm() {
	say 'SSM agent'
	local config=$root/etc/amazon/ssm/amazon-ssm-agent.json key=$root/var/lib/amazon/ssm/Vault/Store/RegistrationKey
	if [ "$addresses" = ipv6 ] && [ ! -e "$config" ]; then
		mkdir -p "$(dirname "$config")"
		echo '{"Agent":{"UseDualStackEndpoint":true}}' >"$config"
	fi
	if ! systemctl is-enabled --quiet "$ssm_service" 2>/dev/null; then
		local form system=linux arch file
		form=$(package_form)
		file=$work/amazon-ssm-agent.$form
		arch=$debian_arch
		[ "$form" = rpm ] || system=debian
		download "$file" "$(bucket amazon-ssm)/latest/${system}_$arch/amazon-ssm-agent.$form"
		if $verification; then
			download "$file.sig" "$(bucket amazon-ssm)/latest/${system}_$arch/amazon-ssm-agent.$form.sig"
			download "$work/amazon-ssm-agent.gpg" "$ssm_key_url"
		fi
		verify "$file" "$file.sig" "$work/amazon-ssm-agent.gpg"
		install_file "$file"
	fi
	if [ -n "$([ ! -e "$key" ] || jq --raw-output '.instanceID // empty' "$key")" ]; then
		echo 'The SSM agent is registered already.'
	else
		systemctl stop "$ssm_service" 2>/dev/null || true
		"$ssm_program" -register -code "$activation_code" -id "$activation_id" -region "$region"
	fi
	systemctl enable "$ssm_service"
	! $start || systemctl start "$ssm_service"
}

set_up_docker() {
	say 'Docker'
	if has docker; then
		echo 'Docker is there already.'
	else
		case $docker_source in
		none) fail 'there is no Docker; install it first, or choose another --docker-install-source' ;;
		docker) docker_from_docker || fail "could not install Docker from its own repositories on $id" ;;
		distro) docker_from_distribution ;;
		all) docker_from_docker || { warn 'trying the package of the distribution' && docker_from_distribution; } ;;
		esac
	fi
	if $start; then
		systemctl enable docker
		systemctl start docker
	fi
}

# docker_from_docker is called where its failure is no end, so each step says itself that it failed.
docker_from_docker() {
	local site=https://download.docker.com/linux
	case $id in
	centos | fedora)
		curl --fail --silent --show-error --location --output "$root/etc/yum.repos.d/docker-ce.repo" "$site/$id/docker-ce.repo" || return 1
		;;
	debian | ubuntu)
		install_packages ca-certificates || return 1
		mkdir -p "$root/etc/apt/keyrings" || return 1
		curl --fail --silent --show-error --location --output "$root/etc/apt/keyrings/docker.asc" "$site/$id/gpg" || return 1
		chmod 0644 "$root/etc/apt/keyrings/docker.asc" || return 1
		echo "deb [arch=$debian_arch signed-by=/etc/apt/keyrings/docker.asc] $site/$id $codename stable" >"$root/etc/apt/sources.list.d/docker.list" || return 1
		apt-get update || return 1
		;;
	*)
		warn "Docker has no repository for $id"
		return 1
		;;
	esac
	install_packages docker-ce docker-ce-cli containerd.io
}

docker_from_distribution() {
	case $id in
	centos | fedora) fail "the Docker package of $id does not work with SELinux and ECS; install Docker yourself and use --docker-install-source none" ;;
	esac
	if [ "$manager" = apt ]; then
		install_packages docker.io
	else
		install_packages docker
	fi
}

# set_up_exec puts what ECS Exec runs inside containers where the agent finds it.
set_up_exec() {
	say 'ECS Exec'
	local deps=$root/var/lib/ecs/deps/execute-command bundle program
	for bundle in "$certificates" "$root"/etc/{ssl/certs/ca-certificates.crt,pki/tls/certs/ca-bundle.crt,ssl/ca-bundle.pem,pki/tls/cacert.pem,pki/ca-trust/extracted/pem/tls-ca-bundle.pem,ssl/cert.pem} none; do
		[ -s "$bundle" ] && break
	done
	[ "$bundle" != none ] || fail 'found no bundle of CA certificates; name one with --certs-file'
	openssl verify -x509_strict "$bundle" >/dev/null || fail "$bundle does not hold up to openssl verify -x509_strict; name another one with --certs-file"
	mkdir -p "$deps/certs" "$deps/config" "$deps/bin/$exec_version" "$work/exec"
	install -m 0400 "$bundle" "$deps/certs/tls-ca-bundle.pem"
	download "$work/exec.tar.gz" "$(bucket amazon-ssm)/$exec_version/linux_$debian_arch/amazon-ssm-agent-binaries.tar.gz"
	tar -xzf "$work/exec.tar.gz" -C "$work/exec"
	for program in amazon-ssm-agent ssm-agent-worker ssm-session-worker; do
		install -m 0755 "$(find "$work/exec" -type f -name "$program" | head -n 1)" "$deps/bin/$exec_version/$program"
	done
}

set_up_ecs() {
	say 'Amazon ECS'
	if [ -x "$root/usr/libexec/amazon-ecs-init" ]; then
		echo 'amazon-ecs-init is there already: its version and the configuration stay as they are.'
		return
	fi
	local form url file
	form=$(package_form)
	file=$work/amazon-ecs-init.$form
	if [ "$form" = deb ]; then
		url=${deb_url:-$(bucket amazon-ecs-agent)/amazon-ecs-init-$version.$debian_arch.deb}
	else
		url=${rpm_url:-$(bucket amazon-ecs-agent)/amazon-ecs-init-$version.$machine.rpm}
	fi
	download "$file" "$url"
	! $verification || download "$file.asc" "$url.asc"
	verify "$file" "$file.asc" "$ecs_fingerprint"
	install_file "$file"

	mkdir -p "$root/etc/ecs" "$root/var/lib/ecs"
	echo "ECS_CLUSTER=$cluster" >>"$root/etc/ecs/ecs.config"
	{
		echo "AWS_DEFAULT_REGION=$region"
		echo 'ECS_EXTERNAL=true'
		[ -z "$endpoint" ] || echo "ECS_BACKEND_HOST=$endpoint"
		! $gpu || echo 'ECS_ENABLE_GPU_SUPPORT=true'
	} >>"$root/var/lib/ecs/ecs.config"
}

start_ecs() {
	systemctl enable ecs
	systemctl start ecs
	local try arn
	for try in {1..10}; do
		arn=$(curl --silent --max-time 10 http://localhost:51678/v1/metadata | jq --raw-output '.ContainerInstanceArn // empty') || arn=''
		if [ -n "$arn" ]; then
			printf '\nThis host is the container instance %s.\n' "$arn"
			printf 'Look at it in the console: https://%s.console.aws.amazon.com/ecs/v2/clusters/%s/infrastructure?region=%s\n' "$region" "$cluster" "$region"
			return
		fi
		echo "Waiting for the registration with Amazon ECS ($try of 10)"
		sleep 10
	done
	fail 'the agent has not registered within the time; see /var/log/ecs/ecs-agent.log and /var/log/ecs/ecs-init.log'
}

main() {
	read_options "$@"
	check_host
	install_tools
	! $registration || set_up_ssm
	set_up_docker
	set_up_exec
	set_up_ecs
	! $start || start_ecs
	cat <<-LICENSE

		What was installed comes with licenses of its own: amazon-ecs-init and the ECS agent (Apache License 2.0), the SSM agent (Apache License 2.0)
		and Docker. By installing them you agree to these.
	LICENSE
}

main "$@"
