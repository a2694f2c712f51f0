/** What a process or a device can be called, to harm who looks at it. */

export const HOSTILE = `</title></script><script>globalThis.pwned=1</script><img src=x onerror="globalThis.pwned=1">'&]]>\0\x1b[31m\u202e\ud800 --><svg onload='globalThis.pwned=1'>`;
