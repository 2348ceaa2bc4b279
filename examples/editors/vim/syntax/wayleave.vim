" Vim syntax of wayleave.route(5).
if exists("b:current_syntax")
  finish
endif
syn case match
syn iskeyword @,48-57,_,-

" Of two that match at one place the later one wins.
syn match wayleaveVariable /\v<[a-z][a-z0-9_]*%(\.[a-z0-9_*]+)*>/
syn match wayleaveSign /\v[=!]\=|[<>]\=?|\=|\*/
syn match wayleaveAddress /\v[A-Za-z0-9:*._~@()-]*%(\/%([A-Za-z0-9:*._~@()!$&'+=;-]|\{[a-z0-9_.]+\})*)+/ contains=wayleaveCapture,wayleaveInsert,wayleaveWildcard
syn match wayleaveCapture /\v:[a-z][a-z0-9_]*%(\(%(int|slug|uuid|hex|date)\))?/ contained
syn match wayleaveInsert /\v\{[a-z][a-z0-9_.]*\}/ contained
syn match wayleaveWildcard /\v\*\*?/ contained

syn match wayleaveNumber /\v[.:\/]@1<!<-?\d+%(\.\d+|b|kb|mb|ms|s|m|h|d)?>[.\/]@!/
syn match wayleaveNumber /\v<\d+%(b|kb|mb)?\/[smhd]>[.\/]@!/
syn match wayleaveNumber /\v<\d{4}-\d{2}-\d{2}>/
syn match wayleaveNumber /\v<%(\d+\.\d+\.\d+\.\d+|[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)%(\/\d+)?/

syn match wayleaveValue /\v[.]@1<!<%(native|echo|envelope|reevaluate|keep|close|warn|refuse|drop|newest|user|optional|urgent|normal|low)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveConstant /\v[.]@1<!<%(true|false|none|any)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveClause /\v[.]@1<!<%(after|answers|because|burst|by|certificate|cookie|credential|else|except|excess|file|first|for|header|http|if|limits|on|per|priority|query|refusals|required|secret|self|split|subprotocol|then|times|to|until|up|use|where|with)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveOperator /\v[.]@1<!<%(and|or|not|in|like|overlaps)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveType /\v[.]@1<!<%(bool|int|float|string|ip|net|size|time|rate|date|set|list|of)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveOutcome /\v[.]@1<!<%(status|close|error|drop)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveMeter /\v[.]@1<!<%(connects|connections|subscriptions|messages|bytes)>[.:/(]@!%(\s*\=\=@!)@!/
syn match wayleaveStatement /\v[.]@1<!<%(allow|deny|limit|ban|use|join|message|stream|alias|notify|proxy|input|errors|field|set|publish|subscribe|unsubscribe|forward|reply|claim|from|as|expect|at)>[.:/(]@!%(\s*\=\=@!)@!%(\s+of>)@!/
syn match wayleaveItem /\v[.]@1<!<%(let|token|backend|channel|policy|defaults|route|api|test)>[.:/(]@!%(\s+[\":*a-z{])@=%(\s*\=\=@!)@!/
syn match wayleaveAction /\v[.]@1<!<%(connect|subscribe|publish|presence|history|disconnect|message)>[.:/(]@!%(\s*%(,|}|"|#|$|on>|with>|by>|if>|then>|because>))@=/
syn match wayleaveReason /\v<%(unauthenticated|forbidden|limited|banned|bad_message|unknown_message|too_big|slow|expired|unavailable|policy_changed)>%(\s*\=\=@!)@=/
syn match wayleaveSetting /\v<%(auth|origins|subprotocols|dialect|max_message|max_fragments|max_subscriptions|idle_timeout|ping_every|pong_timeout|detail|max_lifetime|on_policy_change|alias_expiry|max_queue|slow_consumer|compression|min_tls|keys|issuer|audience|algorithms|user|users|check|cache|exp|single_use|max_age|url|timeout|retries|concurrency|break_after|break_for|recheck|pass_cookies|sign|body|history|keep|key|acks|presence|join_leave|presence_grace|priority|conflate|batch|dedup|slow|max_subscribers|ordered|strict)>%(\s*\=\=@!)@=/
syn match wayleaveAttribute /\v<%(ip|subnet|host|path|origin|subprotocol|tls|channel)>%(\s*%(\=\=|!\=|\<|\>|in>|like>|overlaps>|for>|$))@=/
syn match wayleaveAttribute /\v<%(connection\.age|connection\.subscriptions|message\.type|message\.size|message\.binary)>/
syn match wayleaveAttribute /\v<user\.[a-z][a-z0-9_]*>/

syn match wayleaveEscape /\v\\%(["\\nt]|u\{[0-9A-Fa-f]{1,6}\})/ contained
syn region wayleaveString start=/"/ skip=/\\./ end=/"\|$/ contains=wayleaveEscape
syn match wayleaveComment /#.*$/ contains=wayleaveTodo,@Spell
syn keyword wayleaveTodo TODO FIXME contained

hi def link wayleaveComment Comment
hi def link wayleaveTodo Todo
hi def link wayleaveString String
hi def link wayleaveEscape SpecialChar
hi def link wayleaveNumber Number
hi def link wayleaveAddress Constant
hi def link wayleaveCapture Identifier
hi def link wayleaveInsert Identifier
hi def link wayleaveWildcard Special
hi def link wayleaveAttribute Identifier
hi def link wayleaveSetting Label
hi def link wayleaveReason Label
hi def link wayleaveItem Structure
hi def link wayleaveStatement Statement
hi def link wayleaveAction Function
hi def link wayleaveMeter Function
hi def link wayleaveOutcome Exception
hi def link wayleaveType Type
hi def link wayleaveOperator Operator
hi def link wayleaveSign Operator
hi def link wayleaveClause Keyword
hi def link wayleaveConstant Boolean
hi def link wayleaveValue Constant

let b:current_syntax = "wayleave"
