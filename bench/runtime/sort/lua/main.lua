local n=math.floor(tonumber(arg[1] or 300000)) local numbers,words,other={},{},{} local x=42
for i=1,n do x=x*16807%2147483647 numbers[i]=x words[i]="k"..string.format("%d",x) other[i]=x end
table.sort(numbers) table.sort(words) table.sort(other,function(a,b) if a%1000~=b%1000 then return a%1000<b%1000 end return a<b end)
local s=0 for i=1,n do s=s+(numbers[i]%1000+other[i]%1000)*((i-1)%10) end
print(string.format("%d %s %s %s",s,words[1],words[math.floor(n/2)+1],words[n]))
