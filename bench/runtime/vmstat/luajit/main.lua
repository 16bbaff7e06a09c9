local samples,busy,waiting,most=0,0,0,0 local queue,size={},0 local toint=math.tointeger or tonumber
for line in io.lines(arg[1]) do local w,n={},0 for x in line:gmatch("%S+") do n=n+1 w[n]=x end
 local us,sy,wa,free,r=toint(tonumber(w[13])),toint(tonumber(w[14])),toint(tonumber(w[16])),toint(tonumber(w[4])),toint(tonumber(w[1]))
 samples=samples+1 busy=busy+us+sy if wa>50 then waiting=waiting+1 end if free>most then most=free end
 local q=queue[r] if q then queue[r]=q+1 else queue[r]=1 size=size+1 end end
local common=0 for r=0,19 do if (queue[r] or 0)>(queue[common] or 0) then common=r end end
print(string.format("%d %d %d %d %d %d",samples,busy,waiting,most,size,common))
