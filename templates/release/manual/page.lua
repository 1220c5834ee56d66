-- Corrections to the manual pages that pandoc writes.

-- Return a letter in the form that groff and mandoc print unchanged, or nil if pandoc's own form is right.
local function roff(letter)
  if letter == "-" then
    return "\\-" -- the minus sign that people type; "-" alone is a hyphen, which a terminal may show as U+2010
  elseif letter:byte() > 126 then
    return ("\\[u%04X]"):format(utf8.codepoint(letter)) -- pandoc would write "…" as three dots
  end
end

function Str(element)
  local pieces = {}
  for letter in element.text:gmatch(utf8.charpattern) do
    local special = roff(letter)
    table.insert(pieces, special and pandoc.RawInline("man", special) or pandoc.Str(letter))
  end
  return pieces
end

-- Leave out .PP between a heading and its first paragraph: mandoc's lint warns of it.
function Blocks(blocks)
  for at = 2, #blocks do
    if blocks[at - 1].t == "Header" and blocks[at].t == "Para" then
      blocks[at] = pandoc.Plain(blocks[at].content)
    end
  end
  return blocks
end
