"""How docker, podman, the kubelet and go-containerregistry look up the login of an image in a file:
letter by letter, each in its own way."""

HUB = "https://index.docker.io/v1/"


def split(image):
    """Registry and repository as docker's reference library reads them; Docker Hub is docker.io."""
    image = image[:len(image) - len(image.rsplit("/", 1)[-1])] + image.rsplit("/", 1)[-1].split(
        "@")[0].split(":")[0]
    head, slash, rest = image.partition("/")
    if not slash or (head != "localhost" and not any(c in head for c in ".:") and head
                     == head.lower()):
        return "docker.io", image if slash else "library/" + image
    if head == "index.docker.io":
        head = "docker.io"
    return head, rest if head != "docker.io" or "/" in rest else "library/" + rest


def host_of(key):
    """docker/cli's ConvertToHostname."""
    for scheme in ("https://", "http://"):
        if key.startswith(scheme):
            key = key[len(scheme):]
    return key.split("/", 1)[0]


def docker(auths, image):
    registry, _ = split(image)
    wanted = HUB if registry == "docker.io" else registry
    if wanted in auths:
        return auths[wanted]
    return next((entry for key, entry in auths.items() if host_of(key) == wanted), None)


def go_containerregistry(auths, image):
    registry, repository = split(image)
    registry = "index.docker.io" if registry == "docker.io" else registry
    for wanted in (registry + "/" + repository, HUB if registry == "index.docker.io" else registry):
        if wanted in auths:
            return auths[wanted]
        for key, entry in auths.items():
            if host_of(key) == wanted:
                return entry
    return None


def podman(auths, image):
    """containers/image: the longest part of the name, then names of Docker Hub."""
    registry, repository = split(image)
    name = registry + "/" + repository
    while True:
        if name in auths:
            return auths[name]
        if "/" not in name:
            break
        name = name.rsplit("/", 1)[0]

    def normal(host):
        return "index.docker.io" if host in ("docker.io", "registry-1.docker.io") else host
    return next((entry for key, entry in auths.items() if normal(key) == normal(registry)), None)


def kubelet(auths, image):
    """All that fit, the longest name first: the kubelet tries one after another."""
    registry, repository = split(image)
    name = registry + "/" + repository
    index = {}
    for key, entry in auths.items():
        key = key.split("://", 1)[-1]
        host, slash, path = key.partition("/")
        path = slash + path
        if path.startswith(("/v1/", "/v2/")):
            path = path[3:]
        index[host + (path if path not in ("", "/") else "")] = entry
    found = []
    for key in sorted(index, reverse=True):
        host, slash, path = key.partition("/")
        if host == registry and (slash + path == "" or ("/" + repository).startswith(slash + path)):
            found.append(index[key])
    if not found and registry == "docker.io" and "index.docker.io" in index:
        found = [index["index.docker.io"]]
    del name
    return found
