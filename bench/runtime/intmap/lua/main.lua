local n=tonumber(arg[1] or 2000000) n=math.floor(n) local m,x,size={},42,0 local half=math.floor(n/2)
for i=0,n-1 do x=x*16807%2147483647 local k=x%half local v=m[k] if v then m[k]=v+i%7 else m[k]=i%7 size=size+1 end end
local found=0 for i=0,n-1 do if m[i] then found=found+1 end end
local s=0 for k,v in pairs(m) do s=s+k%1000*v end print(string.format("%d %d %d",size,found,s))
